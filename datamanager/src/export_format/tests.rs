//! Whole exports: written, read back, damaged.

mod damage;
mod fixtures;
mod limits;
mod refusals;
mod round_trip;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

use super::*;
use crate::{Error, ErrorKind, Position, RecordId, Timestamp};

const LIMITS: DecoderLimits = DecoderLimits {
    entry_bytes_max: 4096,
};

/// Both formats, each with and without zstd.
const KINDS: [(ExportFormat, bool); 4] = [
    (ExportFormat::Native, false),
    (ExportFormat::Native, true),
    (ExportFormat::Agola, false),
    (ExportFormat::Agola, true),
];

/// What goes into an export.
#[derive(Clone, Debug)]
struct Sample {
    data_type: String,
    id: Vec<u8>,
    value: Vec<u8>,
    expires_at: Option<u64>,
}

impl Sample {
    fn new(data_type: &str, id: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Sample {
        Sample {
            data_type: data_type.to_owned(),
            id: id.as_ref().to_vec(),
            value: value.as_ref().to_vec(),
            expires_at: None,
        }
    }

    fn entry(&self) -> EntryRef<'_> {
        EntryRef {
            data_type: &self.data_type,
            id: &self.id,
            value: &self.value,
            expires_at: self.expires_at.map(Timestamp::from_millis),
        }
    }
}

fn header() -> ExportHeader {
    ExportHeader {
        store: "780e5bc9bd7f0fc0b4d4ba61969dc576".to_owned(),
        position: Position {
            epoch: 1,
            seq: 17,
            record: RecordId::from_bytes([0x8d; 16]),
        },
        time: Timestamp::from_millis(1_795_588_812_364),
    }
}

fn encode(format: ExportFormat, zstd: bool, samples: &[Sample]) -> Vec<u8> {
    let mut encoder = ExportEncoder::new(format, zstd, &header()).unwrap();
    let mut encoded = Vec::new();
    for sample in samples {
        encoder.add(sample.entry()).unwrap();
        encoded.extend(encoder.take().into_iter().flatten());
    }
    encoded.extend(encoder.finish().unwrap());
    encoded
}

/// What a decoder is to make of `samples`.
fn decoded(samples: &[Sample]) -> Vec<DecodedEntry> {
    (1..)
        .zip(samples)
        .map(|(number, sample)| DecodedEntry {
            data_type: sample.data_type.as_str().into(),
            id: Bytes::from(sample.id.clone()),
            value: Bytes::from(sample.value.clone()),
            expires_at: sample.expires_at.map(Timestamp::from_millis),
            number,
        })
        .collect()
}

async fn rest_of<R: AsyncRead + Unpin + Send>(
    decoder: &mut ExportDecoder<R>,
) -> Result<Vec<DecodedEntry>, Error> {
    let mut entries = Vec::new();
    while let Some(entry) = decoder.next().await? {
        entries.push(entry);
    }
    Ok(entries)
}

fn decode_from(reader: impl AsyncRead + Unpin + Send) -> Result<Vec<DecodedEntry>, Error> {
    futures::executor::block_on(async {
        let mut decoder = ExportDecoder::open(reader, LIMITS).await?;
        rest_of(&mut decoder).await
    })
}

fn decode(bytes: &[u8]) -> Result<Vec<DecodedEntry>, Error> {
    decode_from(bytes)
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// Gives one byte at a time.
struct Trickle<'a>(&'a [u8]);

impl AsyncRead for Trickle<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if let Some((first, rest)) = self.0.split_first() {
            buffer.put_slice(&[*first]);
            self.0 = rest;
        }
        Poll::Ready(Ok(()))
    }
}
