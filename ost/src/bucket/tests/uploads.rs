//! Objects in parts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use object_store::client::HttpErrorKind;

use super::scripted::{Answer, Request, Scripted, scripted_with};
use crate::ost::UploadLimits;
use crate::{Error, ErrorKind, ObjectPath, Ost};

const BEGUN: &str = "<InitiateMultipartUploadResult><UploadId>u</UploadId>\
                     </InitiateMultipartUploadResult>";
const COMPLETE: &str = "<CompleteMultipartUploadResult><ETag>\"1\"</ETag>\
                        </CompleteMultipartUploadResult>";
const INTERNAL_ERROR: Answer = Answer::Status(200, "<Error><Code>InternalError</Code></Error>");
const NO_SUCH_UPLOAD: Answer = Answer::Status(404, "<Error><Code>NoSuchUpload</Code></Error>");
const BROKEN: Answer = Answer::Broken(HttpErrorKind::Interrupted);

/// The bytes of each part by its number, and of the object once it is complete.
#[derive(Debug, Default)]
struct Stored {
    parts: BTreeMap<u32, usize>,
    object: Option<usize>,
}

/// A service that takes `parts_max` parts and answers to requests for completion as the script says, and then as it
/// should.
fn service(
    limits: UploadLimits,
    parts_max: u32,
    completions: &[Answer],
) -> (Scripted, Ost, Arc<Mutex<Stored>>) {
    let stored = Arc::new(Mutex::new(Stored::default()));
    let mut completions = completions.to_vec();
    let script = {
        let stored = Arc::clone(&stored);
        move |request: &Request| {
            let mut stored = stored.lock().unwrap();
            if let Some(number) = part_number(&request.query) {
                if number > parts_max {
                    return Answer::Status(400, "InvalidArgument");
                }
                stored.parts.insert(number, request.body_bytes);
                return Answer::Status(200, "");
            }
            match (request.method.as_str(), request.query.as_str()) {
                ("POST", "uploads=") => Answer::Status(200, BEGUN),
                ("POST", _) if completions.is_empty() => {
                    stored.object = Some(stored.parts.values().sum());
                    Answer::Status(200, COMPLETE)
                }
                ("POST", _) => completions.remove(0),
                _ => Answer::Status(204, ""),
            }
        }
    };
    let (s3, ost) = scripted_with(limits, script);
    (s3, ost, stored)
}

fn part_number(query: &str) -> Option<u32> {
    let (_, number) = query.split_once("partNumber=")?;
    number.split('&').next()?.parse().ok()
}

fn limits(part_bytes_min: usize, parts_max: usize) -> UploadLimits {
    UploadLimits {
        part_bytes_min,
        parts_max,
    }
}

async fn stream(ost: &Ost, bytes: usize) -> Result<u64, Error> {
    let mut writer = ost.writer(&ObjectPath::parse("x").unwrap()).await?;
    let piece = Bytes::from(vec![7; 100_000]);
    let mut left = bytes;
    while left > 0 {
        let taken = left.min(piece.len());
        writer.write(piece.slice(..taken)).await?;
        left -= taken;
    }
    writer.finish().await
}

/// The bytes of the object after a stream of three and a half parts, and the requests for completion that it took.
async fn complete(completions: &[Answer]) -> (Result<u64, ErrorKind>, Option<usize>, usize) {
    let (s3, ost, stored) = service(limits(100_000, 10_000), 10_000, completions);
    let streamed = stream(&ost, 350_000).await.map_err(|error| error.kind());
    // A writer that failed drops its parts in the background.
    tokio::task::yield_now().await;
    let asked = s3
        .requests()
        .iter()
        .filter(|request| request.method == "POST" && request.query == "uploadId=u")
        .count();
    let object = stored.lock().unwrap().object;
    if streamed.is_err() {
        let last = s3.lines().pop().unwrap();
        assert_eq!(last, "DELETE /bucket/base/x", "the parts stay for ever");
    }
    (streamed, object, asked)
}

#[tokio::test(start_paused = true)]
async fn os_08_success_with_an_error_inside_is_tried_again_until_the_object_is_whole() {
    let whole = (Ok(350_000), Some(350_000));
    for answers in [
        vec![],
        vec![INTERNAL_ERROR],
        vec![
            INTERNAL_ERROR,
            Answer::Status(200, "<Error><Code>SlowDown</Code></Error>"),
        ],
        vec![Answer::Status(503, ""), INTERNAL_ERROR, BROKEN],
    ] {
        let (streamed, object, asked) = complete(&answers).await;
        assert_eq!((streamed, object), whole, "{answers:?}");
        assert_eq!(asked, answers.len() + 1, "{answers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn os_08_success_with_an_error_inside_is_never_taken_for_success() {
    let unavailable = Err(ErrorKind::Unavailable);
    let other = Answer::Status(200, "<Error><Code>Other</Code></Error>");
    assert_eq!(complete(&[other]).await, (unavailable, None, 1));
    let for_ever = vec![INTERNAL_ERROR; 100];
    let (streamed, object, asked) = complete(&for_ever).await;
    assert_eq!((streamed, object), (unavailable, None));
    assert!((2..=23).contains(&asked), "{asked}");
}

/// The answer to a completion was lost, the next attempt found no upload, and the caller was told that its request
/// can never work.
#[tokio::test(start_paused = true)]
async fn upload_that_is_gone_can_be_written_again() {
    let unavailable = Err(ErrorKind::Unavailable);
    assert_eq!(complete(&[NO_SUCH_UPLOAD]).await, (unavailable, None, 1));
    let lost = [BROKEN, NO_SUCH_UPLOAD];
    assert_eq!(complete(&lost).await, (unavailable, None, 2));
}

#[tokio::test(start_paused = true)]
async fn os_09_parts_grow_so_that_few_of_them_hold_a_long_stream() {
    // As 1 GiB in parts of 8 MiB, which would be 128 of them, at a sixteenth of the size.
    let bytes = 64 << 20;
    let (s3, ost, stored) = service(limits(512 << 10, 50), 50, &[]);
    assert_eq!(stream(&ost, bytes).await.unwrap(), bytes as u64);
    let stored = stored.lock().unwrap();
    assert_eq!(stored.object, Some(bytes));
    assert!(stored.parts.len() <= 50, "{} parts", stored.parts.len());
    let parts = stored.parts.len();
    assert!(
        stored
            .parts
            .keys()
            .copied()
            .eq(1..=u32::try_from(parts).unwrap())
    );
    assert_eq!(s3.requests().len(), parts + 2);
}

#[tokio::test(start_paused = true)]
async fn os_09_stream_that_no_parts_can_hold_is_refused_and_leaves_nothing() {
    let (s3, ost, stored) = service(limits(1_000, 3), 10_000, &[]);
    let error = stream(&ost, 1_000_000).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    tokio::task::yield_now().await;
    assert_eq!(s3.lines().pop().unwrap(), "DELETE /bucket/base/x");
    assert_eq!(stored.lock().unwrap().object, None);
}
