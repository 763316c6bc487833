//! The log of a step: a file of bounded length, with word of every byte to those who follow it.

use std::io;
use std::path::Path;

use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

/// Writes a log. When it is dropped the log has ended.
#[derive(Debug)]
pub(crate) struct LogWriter {
    file: File,
    written: u64,
    bytes_max: u64,
    is_full: bool,
    /// Whether the last line has no end yet.
    ends_in_line: bool,
    progress: watch::Sender<u64>,
}

/// Tells how many bytes of a log can be read. It is closed when the log has ended.
pub(crate) type LogProgress = watch::Receiver<u64>;

impl LogWriter {
    /// Begins a log.
    ///
    /// # Errors
    /// The file cannot be made.
    pub(crate) async fn create(
        path: &Path,
        bytes_max: u64,
    ) -> io::Result<(LogWriter, LogProgress)> {
        let (progress, receiver) = watch::channel(0);
        let writer = LogWriter {
            file: File::create(path).await?,
            written: 0,
            bytes_max,
            is_full: false,
            ends_in_line: false,
            progress,
        };
        Ok((writer, receiver))
    }

    /// Adds bytes, as they are. Once they can be read, whoever follows the log is told. What goes beyond the bound is dropped,
    /// behind a line that says so.
    ///
    /// # Errors
    /// The file cannot be written: mostly that there is no space left.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_full {
            return Ok(());
        }
        let left = self.bytes_max.saturating_sub(self.written);
        let fits = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        self.append(&bytes[..fits]).await?;
        if fits < bytes.len() {
            self.is_full = true;
            let end = format!(
                "\n[The log has {} bytes, which is all that it may have. The step goes on; what it prints is lost.]\n",
                self.bytes_max
            );
            self.append(end.as_bytes()).await?;
        }
        Ok(())
    }

    /// Adds a line of the executor's own, which begins a new one: what a command prints may not end with a newline.
    ///
    /// # Errors
    /// As [`LogWriter::write`].
    pub(crate) async fn line(&mut self, text: impl std::fmt::Display + Send) -> io::Result<()> {
        let begin = if self.ends_in_line { "\n" } else { "" };
        let line = format!("{begin}{text}\n");
        self.write(line.as_bytes()).await
    }

    async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await?;
        // It is written by another thread; then it is in the file.
        self.file.flush().await?;
        self.written += bytes.len() as u64;
        if let Some(last) = bytes.last() {
            self.ends_in_line = *last != b'\n';
        }
        self.progress.send_replace(self.written);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_log_is_what_was_written_and_its_length_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let (mut log, mut progress) = LogWriter::create(&path, 100).await.unwrap();
        log.write(b"one\n").await.unwrap();
        assert_eq!(*progress.borrow_and_update(), 4);
        log.write(b"\0two").await.unwrap();
        progress.changed().await.unwrap();
        assert_eq!(*progress.borrow_and_update(), 8);
        log.line("own").await.unwrap();
        log.line("own").await.unwrap();
        assert_eq!(*progress.borrow_and_update(), 17);
        drop(log);
        assert!(progress.changed().await.is_err());
        assert_eq!(std::fs::read(path).unwrap(), b"one\n\0two\nown\nown\n");
    }

    #[tokio::test]
    async fn a_log_that_is_full_says_so_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let (mut log, _progress) = LogWriter::create(&path, 5).await.unwrap();
        for _ in 0..3 {
            log.write(b"abcd").await.unwrap();
        }
        let content = std::fs::read_to_string(path).unwrap();
        assert!(
            content.starts_with("abcda\n[The log has 5 bytes"),
            "{content}"
        );
        assert_eq!(content.matches("The log has").count(), 1);
        assert!(content.ends_with("]\n"));
    }
}
