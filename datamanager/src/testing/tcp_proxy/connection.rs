//! One connection through a proxy.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::try_join;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::faults::{Loss, ProxyFaults};
use super::replies::ReplyFinder;
use super::state::State;
use crate::environment::SeededRandom;
use crate::testing::draw::duration_in;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 16 * 1024;
/// Pieces that are under way in one direction; behind them the sender has to wait.
const PIECES_UNDER_WAY_MAX: usize = 1024;

/// A piece of what one side has sent, and when it is to arrive.
struct Piece {
    due: Instant,
    bytes: Vec<u8>,
}

/// Why no more pieces come.
enum End {
    /// The side that was read has closed its half.
    Closed,
    /// A reply is lost, and the connection with it.
    Cut,
}

/// Passes on what both sides send, until both have ended or one breaks.
pub(super) async fn serve(
    mut client: TcpStream,
    mut server: TcpStream,
    state: &State,
    mut random: SeededRandom,
) -> io::Result<()> {
    // Without these every small piece would wait for an acknowledgement.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let asked = Arc::new(AtomicBool::new(false));
    let requests = Direction {
        state,
        random: random.fork(),
        asked: asked.clone(),
        finder: None,
    };
    let replies = Direction {
        state,
        random,
        asked,
        finder: Some(ReplyFinder::default()),
    };
    let both = try_join(
        requests.carry(from_client, to_server),
        replies.carry(from_server, to_client),
    );
    both.await.map(drop)
}

/// What goes one way.
struct Direction<'a> {
    state: &'a State,
    random: SeededRandom,
    /// Whether the client has sent something since the server's last bytes.
    asked: Arc<AtomicBool>,
    /// There on the way of the replies.
    finder: Option<ReplyFinder>,
}

impl Direction<'_> {
    /// Completes when the side that is read has ended and all has arrived.
    async fn carry(mut self, from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        let (sender, receiver) = mpsc::channel(PIECES_UNDER_WAY_MAX);
        let asked = self.finder.is_none().then(|| self.asked.clone());
        let delivered = deliver(receiver, &mut to, self.state.watch_faults(), asked);
        let (end, ()) = try_join(self.take(from, sender), delivered).await?;
        match end {
            End::Closed => to.shutdown().await,
            End::Cut => Err(io::Error::other("a reply was lost")),
        }
    }

    /// Reads pieces and sends them on their way.
    async fn take(
        &mut self,
        mut from: ReadHalf<'_>,
        sender: mpsc::Sender<Piece>,
    ) -> io::Result<End> {
        let mut due = Instant::now();
        let mut is_silent = false;
        loop {
            let mut bytes = vec![0; PIECE_BYTES];
            let count = from.read(&mut bytes).await?;
            if count == 0 {
                return Ok(End::Closed);
            }
            bytes.truncate(count);
            if is_silent {
                continue;
            }
            let faults = self.state.faults();
            let lost_at = self.lost_reply(&bytes, &faults);
            bytes.truncate(lost_at.unwrap_or(count));
            due = due.max(Instant::now() + duration_in(&mut self.random, &faults.delay));
            // Whoever would write it has failed, and says so.
            let _ = sender.send(Piece { due, bytes }).await;
            match (lost_at, faults.loss) {
                (None, _) => {}
                (Some(_), Loss::Cut) => return Ok(End::Cut),
                (Some(_), Loss::Silence) => is_silent = true,
            }
        }
    }

    /// Where in `bytes` the first reply begins that is to be lost.
    fn lost_reply(&mut self, bytes: &[u8], faults: &ProxyFaults) -> Option<usize> {
        let finder = self.finder.as_mut()?;
        let asked = self.asked.swap(false, Ordering::SeqCst);
        let mut replies = finder.find(bytes, faults.reply, asked).into_iter();
        replies.find(|_| self.state.loses_reply(faults))
    }
}

/// Writes each piece once it is due and nothing holds it back. `asked` is there on the way of the requests.
async fn deliver(
    mut pieces: mpsc::Receiver<Piece>,
    to: &mut WriteHalf<'_>,
    mut faults: watch::Receiver<ProxyFaults>,
    asked: Option<Arc<AtomicBool>>,
) -> io::Result<()> {
    while let Some(piece) = pieces.recv().await {
        tokio::time::sleep_until(piece.due).await;
        let is_free = |faults: &ProxyFaults| match asked {
            Some(_) => !faults.hold_requests,
            None => !faults.hold_replies,
        };
        faults.wait_for(is_free).await.map_err(io::Error::other)?;
        if let Some(asked) = &asked {
            asked.store(true, Ordering::SeqCst);
        }
        to.write_all(&piece.bytes).await?;
    }
    Ok(())
}
