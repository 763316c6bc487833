//! Field case OP-06: a stop hung on open streams and kept connections, or cut writes off.

use std::time::{Duration, Instant};

use futures::StreamExt;
use service::client::Path;
use service::testing::{TestServer, wait_until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::notes::{Notes, options};
use crate::raw::{ask, read_answer};

#[tokio::test]
async fn running_writes_get_their_answers_and_streams_end_when_the_server_stops() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::ready(Notes, options(directory.path())).await;
    let address = server.address();
    let client = server.client();

    let mut kept = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(read_answer(&mut stream).await.status, 200);
        kept.push(stream);
    }
    let mut followers = Vec::new();
    for _ in 0..10 {
        let mut ticks = client.download(&Path::of(["ticks"])).await.unwrap();
        assert_eq!(ticks.next().await.unwrap().unwrap(), "tick\n");
        followers.push(ticks);
    }
    let writing = {
        let client = client.clone();
        tokio::spawn(async move { client.put_empty(&Path::of(["slow"])).await })
    };
    wait_until("the write has begun", async || {
        let text = ask(address, "GET", "/metrics", "").await.body;
        text.contains("dm_http_requests_in_flight 2")
    })
    .await;

    let began = Instant::now();
    server.stop().await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    writing.await.unwrap().unwrap();
    for mut ticks in followers {
        assert!(ticks.next().await.is_none(), "the stream ends well");
    }
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
    // The store was closed, so that the next server has it at once, with the write.
    let server = TestServer::ready(Notes, options(directory.path())).await;
    server.stop().await.unwrap();
}

/// A request that takes longer than the time for stopping is given up.
#[tokio::test]
async fn a_stop_ends_in_its_time_whatever_clients_do() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path());
    options.shutdown_timeout = Duration::from_secs(3);
    let server = TestServer::ready(Notes, options).await;
    // A body that does not come.
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let begin = b"PUT /api/v1alpha/notes/x HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{";
    stream.write_all(begin).await.unwrap();
    wait_until("the request is there", async || {
        let text = ask(server.address(), "GET", "/metrics", "").await.body;
        text.contains("dm_http_requests_in_flight 2")
    })
    .await;
    let began = Instant::now();
    server.stop().await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(6),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn the_process_is_told_to_stop_by_a_signal() {
    let signal = service::stop_signal().unwrap();
    let process = std::process::id().to_string();
    let status = std::process::Command::new("kill")
        .args(["-TERM", &process])
        .status();
    assert!(status.unwrap().success());
    tokio::time::timeout(Duration::from_secs(20), signal)
        .await
        .unwrap();
}
