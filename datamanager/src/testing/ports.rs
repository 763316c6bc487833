//! Ports of this machine that nothing else takes.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports are taken from here: below those that an outgoing connection gets by itself, so that what is closed
/// for a while finds its own free again.
const PORTS: Range<u16> = 10_000..32_000;
/// A port that was free just now, and that this process has given to nobody else.
pub(super) fn free_port() -> io::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    if NEXT.load(Ordering::Relaxed) == 0 {
        let mut random = [0; 2];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let first = u16::from_le_bytes(random).max(1);
        // Of several threads that begin at once, one sets it.
        let _ = NEXT.compare_exchange(0, first, Ordering::Relaxed, Ordering::Relaxed);
    }
    let count = PORTS.end - PORTS.start;
    for _ in 0..count {
        let port = PORTS.start + NEXT.fetch_add(1, Ordering::Relaxed) % count;
        if TcpListener::bind(local(port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!("no port of {PORTS:?} is free"),
    ))
}

/// An address of this machine that no other can reach.
pub(super) fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_and_one_that_is_taken_never() {
        let taken = TcpListener::bind(local(free_port().unwrap())).unwrap();
        let mut given: Vec<u16> = (0..50).map(|_| free_port().unwrap()).collect();
        assert!(!given.contains(&taken.local_addr().unwrap().port()));
        assert!(given.iter().all(|port| PORTS.contains(port)));
        given.sort_unstable();
        given.dedup();
        assert_eq!(given.len(), 50);
        for port in given {
            TcpListener::bind(local(port)).unwrap();
        }
    }
}
