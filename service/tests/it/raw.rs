//! Requests as bytes, for what no well-made client does.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// No test waits longer for an answer.
const DEADLINE: Duration = Duration::from_secs(60);

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The code in the body of a failure; both of its parts are there.
    pub(crate) fn code(&self) -> String {
        assert!(
            self.head
                .to_lowercase()
                .contains("content-type: application/json"),
            "{self:?}"
        );
        let body: service::api::ErrorBody = serde_json::from_str(&self.body).unwrap();
        assert!(
            !body.message.is_empty() && !body.code.is_empty(),
            "{self:?}"
        );
        body.code
    }
}

/// Sends all of `request` before it reads anything, then reads to the end.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        read_answer(&mut stream).await
    };
    tokio::time::timeout(DEADLINE, exchange).await.unwrap()
}

/// Reads one answer; one with a length leaves the connection open.
pub(crate) async fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        if let Some(answer) = parse(&bytes, false) {
            return answer;
        }
        let length = stream.read(&mut piece).await.unwrap();
        if length == 0 {
            return parse(&bytes, true).expect("an answer came before the end");
        }
        bytes.extend_from_slice(&piece[..length]);
    }
}

/// The answer in `bytes`, if all of it is there.
fn parse(bytes: &[u8], at_end: bool) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let value = value.trim().parse::<usize>().ok();
        value.filter(|_| name.eq_ignore_ascii_case("content-length"))
    });
    let is_whole = match length {
        Some(length) => body.len() >= length,
        None => body.ends_with("0\r\n\r\n"),
    };
    (is_whole || at_end).then(|| Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// A request without a body.
pub(crate) async fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> Answer {
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{headers}connection: close\r\n\r\n");
    exchange(address, request.as_bytes()).await
}

/// A request with a body of JSON.
pub(crate) async fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    exchange(address, request.as_bytes()).await
}
