use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener as StdListener, TcpStream as StdStream};
use std::sync::mpsc;
use std::time::Instant;

use super::*;

const SOON: Duration = Duration::from_secs(20);

/// A server that answers each line with its name and the line, and tells of each.
struct Lines {
    address: SocketAddr,
    received: mpsc::Receiver<String>,
}

fn lines(name: &'static str) -> Lines {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            std::thread::spawn(move || answer(stream.unwrap(), name, &sender));
        }
    });
    Lines { address, received }
}

fn answer(mut stream: StdStream, name: &str, sender: &mpsc::Sender<String>) {
    for line in BufReader::new(stream.try_clone().unwrap()).lines() {
        let Ok(line) = line else { return };
        // The test, and with it the client, may be over.
        let _ = sender.send(line.clone());
        let _ = writeln!(stream, "{name} {line}");
    }
}

struct Client {
    stream: StdStream,
    replies: BufReader<StdStream>,
}

impl Client {
    fn connect(proxy: &TcpProxy) -> Client {
        let stream = StdStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let replies = BufReader::new(stream.try_clone().unwrap());
        Client { stream, replies }
    }

    fn send(&mut self, line: &str) {
        writeln!(self.stream, "{line}").unwrap();
    }

    /// The next line, `None` if the connection has ended.
    fn receive(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.replies.read_line(&mut line) {
            Ok(0) => None,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => None,
            Ok(_) => Some(line.trim_end().to_owned()),
            Err(error) => panic!("{error}"),
        }
    }

    fn ask(&mut self, line: &str) -> Option<String> {
        self.send(line);
        self.receive()
    }
}

#[test]
fn all_bytes_pass_in_both_directions_and_an_end_passes_too() {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let proxy = TcpProxy::start(listener.local_addr().unwrap(), 1).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        stream.write_all(&received).unwrap();
    });
    let mut sent = vec![0; 3_000_000];
    SeededRandomBytes(7).fill(&mut sent);
    let mut stream = StdStream::connect(proxy.address()).unwrap();
    stream.write_all(&sent).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert!(received == sent, "{} bytes come back", received.len());
    server.join().unwrap();
    assert_eq!(proxy.counts().connections, 1);
}

struct SeededRandomBytes(u64);

impl SeededRandomBytes {
    fn fill(&self, bytes: &mut [u8]) {
        crate::environment::SeededRandom::new(self.0).fill(bytes);
    }
}

#[test]
fn delays_hold_in_both_directions_and_keep_the_order() {
    let server = lines("a");
    let proxy = TcpProxy::start(server.address, 1).unwrap();
    let (least, most) = (Duration::from_millis(60), Duration::from_millis(90));
    proxy
        .set_faults(ProxyFaults {
            delay: least..=most,
            ..ProxyFaults::default()
        })
        .unwrap();
    let mut client = Client::connect(&proxy);
    let began = Instant::now();
    for number in 0..10 {
        client.send(&number.to_string());
        std::thread::sleep(Duration::from_millis(1));
    }
    for number in 0..10 {
        assert_eq!(client.receive().unwrap(), format!("a {number}"));
        assert!(began.elapsed() >= least * 2);
    }
}

#[test]
fn a_closed_port_refuses_until_it_is_open_again_and_old_connections_go_on() {
    let server = lines("a");
    let proxy = TcpProxy::start(server.address, 1).unwrap();
    let mut old = Client::connect(&proxy);
    assert_eq!(old.ask("1").unwrap(), "a 1");
    for _ in 0..3 {
        proxy
            .set_faults(ProxyFaults {
                refuse: true,
                ..ProxyFaults::default()
            })
            .unwrap();
        let refused = StdStream::connect(proxy.address()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(old.ask("2").unwrap(), "a 2");
        proxy.set_faults(ProxyFaults::default()).unwrap();
        assert_eq!(Client::connect(&proxy).ask("3").unwrap(), "a 3");
    }
}

#[test]
fn what_is_held_back_arrives_once_the_network_is_there_again() {
    let server = lines("a");
    let proxy = TcpProxy::start(server.address, 1).unwrap();
    let mut client = Client::connect(&proxy);
    assert_eq!(client.ask("1").unwrap(), "a 1");
    assert_eq!(server.received.recv_timeout(SOON).unwrap(), "1");

    proxy.set_faults(ProxyFaults::black_hole()).unwrap();
    client.send("2");
    let mut late = Client::connect(&proxy);
    late.send("3");
    let nothing = server.received.recv_timeout(Duration::from_millis(100));
    assert!(nothing.is_err(), "{nothing:?}");

    // The requests arrive now, the replies do not.
    proxy
        .set_faults(ProxyFaults {
            hold_replies: true,
            ..ProxyFaults::default()
        })
        .unwrap();
    let mut arrived = [(); 2].map(|()| server.received.recv_timeout(SOON).unwrap());
    arrived.sort();
    assert_eq!(arrived, ["2", "3"]);
    client
        .stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    assert!(client.stream.read(&mut [0]).is_err());
    client.stream.set_read_timeout(Some(SOON)).unwrap();
    proxy.set_faults(ProxyFaults::default()).unwrap();
    assert_eq!(client.receive().unwrap(), "a 2");
    assert_eq!(late.receive().unwrap(), "a 3");
}

#[test]
fn every_third_reply_is_lost_after_the_server_has_done_its_work() {
    let server = lines("a");
    let proxy = TcpProxy::start(server.address, 1).unwrap();
    proxy
        .set_faults(ProxyFaults {
            lose: LostReplies::Every(3),
            ..ProxyFaults::default()
        })
        .unwrap();
    let mut client = Client::connect(&proxy);
    for number in 1..=12 {
        let reply = client.ask(&number.to_string());
        assert_eq!(
            server.received.recv_timeout(SOON).unwrap(),
            number.to_string()
        );
        if number % 3 == 0 {
            assert_eq!(reply, None, "reply {number}");
            if number < 12 {
                client = Client::connect(&proxy);
            }
        } else {
            assert_eq!(reply.unwrap(), format!("a {number}"));
        }
    }
    let counts = proxy.counts();
    assert_eq!(
        (counts.connections, counts.replies, counts.replies_lost),
        (4, 12, 4)
    );
}

#[test]
fn a_connection_whose_reply_is_lost_may_fall_silent_instead() {
    let server = lines("a");
    let proxy = TcpProxy::start(server.address, 1).unwrap();
    proxy
        .set_faults(ProxyFaults {
            lose: LostReplies::Every(2),
            loss: Loss::Silence,
            ..ProxyFaults::default()
        })
        .unwrap();
    let mut client = Client::connect(&proxy);
    assert_eq!(client.ask("1").unwrap(), "a 1");
    for line in ["2", "3"] {
        client.send(line);
    }
    for line in ["1", "2", "3"] {
        assert_eq!(server.received.recv_timeout(SOON).unwrap(), line);
    }
    let short = Duration::from_millis(100);
    client.stream.set_read_timeout(Some(short)).unwrap();
    let silent = client.stream.read(&mut [0]).unwrap_err();
    assert!(matches!(
        silent.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    ));
    assert_eq!(Client::connect(&proxy).ask("4").unwrap(), "a 4");
}

/// Which of a hundred requests, each on a connection of its own, lose their reply.
fn lost_by_chance(seed: u64) -> Vec<usize> {
    let server = lines("a");
    let proxy = TcpProxy::start(server.address, seed).unwrap();
    proxy
        .set_faults(ProxyFaults {
            lose: LostReplies::Share(0.25),
            ..ProxyFaults::default()
        })
        .unwrap();
    (0..100)
        .filter(|number| Client::connect(&proxy).ask(&number.to_string()).is_none())
        .collect()
}

#[test]
fn replies_that_are_lost_by_chance_follow_from_the_seed() {
    let lost = lost_by_chance(5);
    assert!((10..=45).contains(&lost.len()), "{lost:?}");
    assert_eq!(lost, lost_by_chance(5));
    assert_ne!(lost, lost_by_chance(6));
}

#[test]
fn a_cut_ends_what_is_open_and_nothing_else() {
    let server = lines("a");
    let proxy = TcpProxy::start(server.address, 1).unwrap();
    let mut clients = [(); 3].map(|()| Client::connect(&proxy));
    for client in &mut clients {
        assert_eq!(client.ask("1").unwrap(), "a 1");
    }
    proxy.cut();
    for client in &mut clients {
        assert_eq!(client.receive(), None);
    }
    assert_eq!(Client::connect(&proxy).ask("2").unwrap(), "a 2");
}

#[test]
fn new_connections_go_to_another_target_or_end_where_none_is() {
    let (one, other) = (lines("a"), lines("b"));
    let proxy = TcpProxy::start(one.address, 1).unwrap();
    let mut old = Client::connect(&proxy);
    assert_eq!(old.ask("1").unwrap(), "a 1");
    proxy.set_target(other.address).unwrap();
    assert_eq!(Client::connect(&proxy).ask("2").unwrap(), "b 2");
    assert_eq!(old.ask("3").unwrap(), "a 3");
    let nobody = StdListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    proxy.set_target(address).unwrap();
    assert_eq!(Client::connect(&proxy).receive(), None);
}
