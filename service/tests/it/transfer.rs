//! Export and import over HTTP.

use std::time::Duration;

use bytes::Bytes;
use datamanager::{DataManager, Settings};
use futures::{StreamExt, TryStreamExt, stream};
use service::client::{Client, Path};
use service::testing::{TestServer, wait_until};
use service::{Error, ErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::notes::{Note, Notes, TYPE, options};
use crate::raw::ask;

pub(crate) async fn put(client: &Client, id: &str, text: &str) {
    let note = Note {
        text: text.to_owned(),
        ..Note::default()
    };
    client
        .put::<_, ()>(&Path::of(["notes", id]), &note)
        .await
        .unwrap();
}

async fn text(client: &Client, id: &str) -> Option<String> {
    match client.get::<Note>(&Path::of(["notes", id])).await {
        Ok(note) => Some(note.text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{error:?}"),
    }
}

pub(crate) async fn export(client: &Client, format: &str) -> Result<Vec<u8>, Error> {
    let pieces: Vec<Bytes> = client.export(format).await?.try_collect().await?;
    Ok(pieces.concat())
}

pub(crate) async fn import(client: &Client, bytes: &[u8]) -> Result<(), Error> {
    let pieces: Vec<Bytes> = bytes.chunks(10_000).map(Bytes::copy_from_slice).collect();
    client
        .import(stream::iter(pieces.into_iter().map(Ok::<_, Error>)))
        .await
}

#[tokio::test]
async fn an_export_comes_back_in_each_format_and_replaces_everything() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::ready(Notes, options(directory.path())).await;
    let client = server.client();
    for number in 0..300 {
        put(&client, &format!("{number:03}"), &format!("<{number}>")).await;
    }
    let agola = export(&client, "agola").await.unwrap();
    let native = export(&client, "native").await.unwrap();
    // What is sealed in the store leaves open in the one format and sealed in the other.
    let first = String::from_utf8_lossy(&agola).into_owned();
    assert!(
        first.starts_with("{\"id\":\"000\",\"data_type\":\"note\",\"data\":\"PDA+\"}"),
        "{}",
        &first[..80]
    );
    let compressed = Path::of(["export"]).query("zstd", "");
    let compressed: Vec<Bytes> = client
        .download(&compressed)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let compressed = compressed.concat();
    assert!(compressed.len() < agola.len());

    for bytes in [agola, native.clone(), compressed] {
        put(&client, "another", "goes").await;
        client.enable_maintenance().await.unwrap();
        import(&client, &bytes).await.unwrap();
        client.disable_maintenance().await.unwrap();
        assert_eq!(text(&client, "another").await, None);
        assert_eq!(text(&client, "299").await.unwrap(), "<299>");
        let again = String::from_utf8(export(&client, "native").await.unwrap()).unwrap();
        let entries = |text: &str| {
            text.lines()
                .filter(|line| line.contains("\"note\""))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            entries(&again),
            entries(std::str::from_utf8(&native).unwrap())
        );
    }
    server.stop().await.unwrap();
}

/// Field cases IE-01, IE-07 and IE-10: what is no export destroyed the data, or kinds of data were dropped.
#[tokio::test]
async fn what_is_no_whole_export_of_known_types_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::ready(Notes, options(directory.path())).await;
    let client = server.client();
    put(&client, "a", "kept").await;
    put(&client, "b", "kept too").await;
    let before = export(&client, "agola").await.unwrap();
    let native = export(&client, "native").await.unwrap();

    let error = import(&client, &before).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::BadRequest, "not_in_maintenance")
    );

    client.enable_maintenance().await.unwrap();
    let entry = |data_type: &str, id: &str| {
        format!("{{\"id\":\"{id}\",\"data_type\":\"{data_type}\",\"data\":\"eA==\"}}")
    };
    let doubled = entry(TYPE, "x") + &entry(TYPE, "x");
    let unknown = entry(TYPE, "x") + &entry("unknown", "y");
    for (input, named) in [
        (&b""[..], "empty"),
        (b"\x00\xff\x17\x03random", "import"),
        (b"<html><body>Bad Gateway</body></html>", "import"),
        (b"[1,2,3]", "import"),
        (&before[..before.len() - 5], "import"),
        (&native[..native.len() - 20], "import"),
        (doubled.as_bytes(), "import"),
        (unknown.as_bytes(), "\"unknown\" is not known"),
    ] {
        let error = import(&client, input).await.unwrap_err();
        let shown = String::from_utf8_lossy(input).into_owned();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::BadRequest, "invalid_import"),
            "{shown}: {error:?}"
        );
        assert!(error.to_string().contains(named), "{shown}: {error}");
        assert_eq!(export(&client, "agola").await.unwrap(), before);
    }
    client.disable_maintenance().await.unwrap();
    assert_eq!(text(&client, "b").await.unwrap(), "kept too");
    put(&client, "c", "works").await;
    server.stop().await.unwrap();
}

async fn importing(client: &Client) -> bool {
    client.maintenance().await.unwrap().importing.is_some()
}

/// An export of format agola that was cut off between two entries looks whole; that the connection was cut off tells.
#[tokio::test]
async fn a_body_that_was_cut_off_between_two_entries_is_not_imported() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::ready(Notes, options(directory.path())).await;
    let client = server.client();
    put(&client, "a", "kept").await;
    let before = export(&client, "agola").await.unwrap();
    client.enable_maintenance().await.unwrap();

    let entry = "{\"id\":\"x\",\"data_type\":\"note\",\"data\":\"eA==\"}";
    let head = "POST /api/v1alpha/import HTTP/1.1\r\nhost: x\r\n";
    let chunked = format!(
        "{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{entry}\r\n",
        entry.len()
    );
    let with_length = format!("{head}content-length: {}\r\n\r\n{entry}", entry.len() + 100);
    for request in [chunked, with_length] {
        for half_closed in [true, false] {
            let mut stream = TcpStream::connect(server.address()).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            wait_until("the import has begun", async || importing(&client).await).await;
            if half_closed {
                stream.shutdown().await.unwrap();
                let mut answer = String::new();
                // There may be none.
                let _ = stream.read_to_string(&mut answer).await;
                assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
            } else {
                drop(stream);
            }
            // An import that was dropped with its request counted as under way, and maintenance could not be switched off.
            wait_until("it has ended", async || !importing(&client).await).await;
            assert_eq!(export(&client, "agola").await.unwrap(), before);
        }
    }
    // A client whose source fails in the middle.
    let failing = stream::iter([Ok(Bytes::from(entry)), Err("the file cannot be read")]);
    assert!(client.import(failing).await.is_err());
    assert_eq!(export(&client, "agola").await.unwrap(), before);
    import(&client, &before).await.unwrap();
    client.disable_maintenance().await.unwrap();
    server.stop().await.unwrap();
}

/// Field case IE-05: an export that broke in the middle looked like a success.
#[tokio::test]
async fn an_export_that_fails_is_cut_off_and_not_ended() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("notesdata");
    let mut settings = Settings::default();
    settings.maintain = false;
    settings.data_file_bytes_max = 200_000;
    settings.compression = Some(datamanager::data_file::Compression::None);
    let store = DataManager::builder(place.to_str().unwrap())
        .unwrap()
        .settings(settings)
        .open()
        .await
        .unwrap();
    for batch in 0..10 {
        let mut transaction = store.begin();
        for number in 0..100 {
            let value = format!("sealed:{}", "x".repeat(1_000));
            transaction
                .put_raw(TYPE, &format!("{batch:02}{number:03}"), value)
                .unwrap();
        }
        transaction.commit().await.unwrap();
    }
    store.checkpoint().await.unwrap();
    store.close().await.unwrap();
    let mut files = Vec::new();
    let mut directories = vec![place.join("data")];
    while let Some(next) = directories.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => directories.push(path),
                false => files.push(path),
            }
        }
    }
    files.sort();
    assert!(files.len() >= 3, "{files:?}");
    let broken = &files[files.len() / 2];
    let mut bytes = std::fs::read(broken).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(broken, bytes).unwrap();

    let server = TestServer::ready(Notes, options(directory.path())).await;
    for format in ["agola", "native"] {
        let mut pieces = server.client().export(format).await.unwrap();
        let mut bytes = 0;
        let error = loop {
            match pieces.next().await {
                Some(Ok(piece)) => bytes += piece.len(),
                Some(Err(error)) => break error,
                None => panic!("the export of {bytes} bytes ended well"),
            }
        };
        assert!(bytes > 0, "{error:?}");
    }
    let answer = ask(server.address(), "GET", "/api/v1alpha/export", "").await;
    assert_eq!(answer.status, 200);
    assert!(
        !answer.body.ends_with("0\r\n\r\n"),
        "the last chunk was sent"
    );
    server.stop().await.unwrap();
}

/// Clients that take nothing, or send nothing, for too long.
#[tokio::test]
async fn transfers_that_stand_still_are_given_up() {
    crate::logs::start();
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path());
    options.limits.stream_idle_timeout = Duration::from_secs(1);
    let server = TestServer::ready(Notes, options).await;
    let client = server.client();
    let instance = client.instances().await.unwrap().remove(0).name;
    client.enable_maintenance().await.unwrap();
    // More than what fits into the buffers of a connection.
    let data = "eHh4".repeat(250_000);
    let entries = (0..20).map(move |number| {
        let entry =
            format!("{{\"id\":\"{number:06}\",\"data_type\":\"note\",\"data\":\"{data}\"}}");
        Ok::<_, Error>(Bytes::from(entry))
    });
    client.import(stream::iter(entries)).await.unwrap();

    let mut reading = TcpStream::connect(server.address()).await.unwrap();
    reading
        .write_all(b"GET /api/v1alpha/export HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let begin = b"POST /api/v1alpha/import HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{";
    let answer = crate::raw::exchange(server.address(), begin).await;
    assert_eq!((answer.status, answer.code().as_str()), (408, "timeout"));
    wait_until("the export is given up", async || {
        let mut lines = crate::logs::lines().into_iter();
        lines.any(|line| {
            line.instance.as_ref() == Some(&instance) && line.text.contains("nobody read it")
        })
    })
    .await;
    let mut bytes = Vec::new();
    // It may be reset, too.
    let _ = reading.read_to_end(&mut bytes).await;
    assert!(!bytes.ends_with(b"0\r\n\r\n"), "the last chunk was sent");
    wait_until("the import has ended", async || !importing(&client).await).await;
    server.stop().await.unwrap();
}

/// Field case IE-09: the limit of bodies of JSON is none of imports. `DM_SOAK_IMPORT_MIB` sends more.
#[tokio::test]
async fn a_large_import_is_taken_in_as_it_comes() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::ready(Notes, options(directory.path())).await;
    let client = server.client();
    client.enable_maintenance().await.unwrap();
    let mib: usize = std::env::var("DM_SOAK_IMPORT_MIB").map_or(8, |text| text.parse().unwrap());
    let data = "eHh4".repeat(25_000);
    let entries = (0..mib * 10).map(move |number| {
        let entry =
            format!("{{\"id\":\"{number:06}\",\"data_type\":\"note\",\"data\":\"{data}\"}}");
        Ok::<_, Error>(Bytes::from(entry))
    });
    client.import(stream::iter(entries)).await.unwrap();
    client.disable_maintenance().await.unwrap();
    let last = format!("{:06}", mib * 10 - 1);
    assert_eq!(text(&client, &last).await.unwrap().len(), 75_000);
    server.stop().await.unwrap();
}
