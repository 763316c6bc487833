//! What a proxy does to the connections that go through it.

use std::ops::RangeInclusive;
use std::time::Duration;

/// What goes wrong in a [`TcpProxy`](super::TcpProxy). Default: nothing.
///
/// A change counts at once, for connections that are open too.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyFaults {
    /// How much later the bytes of each direction arrive, drawn anew for each piece that is read. None overtakes another.
    pub delay: RangeInclusive<Duration>,
    /// New connections are refused, as by a machine on which nothing listens. Those that are open go on.
    pub refuse: bool,
    /// What clients send is held back, as in a network that has failed in that direction; it goes on where it was once
    /// this is false again. Clients can still connect.
    pub hold_requests: bool,
    /// What the server sends is held back in the same way.
    pub hold_replies: bool,
    /// Which replies get lost.
    pub lose: LostReplies,
    /// What counts as a reply.
    pub reply: Reply,
    /// What the client sees of a lost reply.
    pub loss: Loss,
}

/// Which replies a proxy loses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LostReplies {
    /// None.
    None,
    /// One of so many, counted over all connections since this was set: of 10, the tenth, the twentieth and so on.
    Every(u64),
    /// A share between 0 and 1, drawn for each.
    Share(f64),
}

/// What a proxy takes for a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The first bytes that a server sends after a client has sent some.
    Bytes,
    /// A frame with data in HTTP/2, as a gRPC server sends one for each message. Such a server has done what it was asked
    /// when it sends that frame. Nothing else may be spoken on the connections.
    Http2Data,
}

/// What becomes of a connection whose reply is lost. Nothing more comes from its server in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It is cut at once.
    Cut,
    /// It stays open, and is silent.
    Silence,
}

impl Default for ProxyFaults {
    fn default() -> ProxyFaults {
        ProxyFaults {
            delay: Duration::ZERO..=Duration::ZERO,
            refuse: false,
            hold_requests: false,
            hold_replies: false,
            lose: LostReplies::None,
            reply: Reply::Bytes,
            loss: Loss::Cut,
        }
    }
}

impl ProxyFaults {
    /// Nothing arrives in either direction, and nobody is told.
    pub fn black_hole() -> ProxyFaults {
        ProxyFaults {
            hold_requests: true,
            hold_replies: true,
            ..ProxyFaults::default()
        }
    }
}
