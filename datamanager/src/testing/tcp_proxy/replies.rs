//! Where replies begin in what a server sends.

use super::faults::Reply;

/// Bytes of a frame's header in HTTP/2.
const FRAME_HEADER_BYTES: usize = 9;
const FRAME_DATA: u8 = 0;

/// Finds replies in the bytes that come from a server, piece by piece.
///
/// Source: RFC 9113, section 4.1, "Frame Format".
#[derive(Debug, Default)]
pub(super) struct ReplyFinder {
    /// Bytes that are left of the frame that the piece before ended in.
    body_left: usize,
    /// The beginning of a frame's header that the piece before ended in.
    header: Vec<u8>,
}

impl ReplyFinder {
    /// Where replies begin in `piece`, which is the next one; in HTTP/2 a reply also begins where only the end of its
    /// header is in the piece. `asked` says whether the client has sent something since the last call.
    pub(super) fn find(&mut self, piece: &[u8], kind: Reply, asked: bool) -> Vec<usize> {
        match kind {
            Reply::Bytes if asked => vec![0],
            Reply::Bytes => Vec::new(),
            Reply::Http2Data => self.data_frames(piece),
        }
    }

    fn data_frames(&mut self, piece: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < piece.len() {
            let skipped = self.body_left.min(piece.len() - at);
            self.body_left -= skipped;
            at += skipped;
            let frame = at;
            while self.header.len() < FRAME_HEADER_BYTES && at < piece.len() {
                self.header.push(piece[at]);
                at += 1;
            }
            if let [l0, l1, l2, kind, ..] = self.header[..]
                && self.header.len() == FRAME_HEADER_BYTES
            {
                self.header.clear();
                self.body_left = u32::from_be_bytes([0, l0, l1, l2]) as usize;
                // The last frame of a stream may be an empty one.
                if kind == FRAME_DATA && self.body_left > 0 {
                    found.push(frame);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, bytes: usize) -> Vec<u8> {
        let length = u32::try_from(bytes).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, 0, 0, 0, 0, 1]);
        frame.resize(FRAME_HEADER_BYTES + bytes, b'x');
        frame
    }

    #[test]
    fn data_frames_are_found_however_the_bytes_are_cut() {
        let frames = [
            frame(4, 6),
            frame(1, 300),
            frame(0, 70_000),
            frame(0, 0),
            frame(0, 1),
            frame(1, 0),
        ];
        let begins_at = |number: usize| frames[..number].concat().len();
        let bytes = frames.concat();
        let mut whole = ReplyFinder::default();
        assert_eq!(
            whole.find(&bytes, Reply::Http2Data, false),
            [begins_at(2), begins_at(4)]
        );
        for size in [1, 2, 5, 9, 100, 4096] {
            let mut finder = ReplyFinder::default();
            let mut found = Vec::new();
            for (number, piece) in bytes.chunks(size).enumerate() {
                let at = finder.find(piece, Reply::Http2Data, true);
                found.extend(at.iter().map(|at| number * size + at));
            }
            assert_eq!(found.len(), 2, "pieces of {size} bytes");
            for (found, begin) in found.iter().zip([begins_at(2), begins_at(4)]) {
                assert!((begin..begin + FRAME_HEADER_BYTES).contains(found));
            }
        }
    }

    #[test]
    fn other_replies_begin_where_the_client_has_asked() {
        let mut finder = ReplyFinder::default();
        assert_eq!(finder.find(b"hello", Reply::Bytes, false), [] as [usize; 0]);
        assert_eq!(finder.find(b"hello", Reply::Bytes, true), [0]);
    }
}
