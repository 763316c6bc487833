//! Writing the data files of a job.

use ost::ObjectPath;
use ulid::Ulid;

use super::Jobs;
use crate::Error;
use crate::data_file::{DataFileEntry, DataFileOptions, DataFileWriter};
use crate::failpoint;
use crate::manifest::FileEntry;
use crate::memtable::VersionedEntry;

/// Looks from time to time whether the store is being closed.
#[derive(Debug, Default)]
pub(super) struct Pace {
    since_look: usize,
}

impl Pace {
    /// Fails, once in a while, if the store is being closed.
    pub(super) fn step(&mut self, jobs: &Jobs, entry: &VersionedEntry) -> Result<(), Error> {
        const BYTES_PER_LOOK: usize = 256 * 1024;
        const BYTES_PER_ENTRY: usize = 100;
        self.since_look += BYTES_PER_ENTRY + entry.value.as_ref().map_or(0, bytes::Bytes::len);
        if self.since_look >= BYTES_PER_LOOK {
            self.since_look = 0;
            jobs.check_running()?;
        }
        Ok(())
    }
}

/// Takes entries in the order of their keys and writes them to files of about the same length.
pub(super) struct JobOutput<'a> {
    jobs: &'a Jobs,
    epoch: u32,
    job_seq: u64,
    options: DataFileOptions,
    /// Whether commits go on beside it, to which it leaves the processor.
    is_background: bool,
    current: Option<(ObjectPath, DataFileWriter)>,
    files: Vec<FileEntry>,
}

impl<'a> JobOutput<'a> {
    pub(super) fn new(jobs: &'a Jobs, epoch: u32, job_seq: u64) -> JobOutput<'a> {
        JobOutput {
            jobs,
            epoch,
            job_seq,
            options: jobs.data_file_options(),
            is_background: false,
            current: None,
            files: Vec::new(),
        }
    }

    /// The same for files of level 0.
    pub(super) fn of_level0(jobs: &'a Jobs, epoch: u32, job_seq: u64) -> JobOutput<'a> {
        JobOutput {
            options: jobs.level0_options(),
            ..JobOutput::new(jobs, epoch, job_seq)
        }
    }

    /// The same for a job that nobody waits for.
    pub(super) fn in_background(mut self) -> JobOutput<'a> {
        self.is_background = true;
        self
    }

    /// Adds an entry; a file ends between two entries when it is long enough.
    pub(super) async fn add(&mut self, entry: VersionedEntry) -> Result<(), Error> {
        if self.current.is_none() {
            let path = self.new_path()?;
            let options = self.options;
            let writer = DataFileWriter::create(self.jobs.ost(), path.clone(), options).await?;
            let writer = match self.is_background {
                true => writer.in_background(),
                false => writer,
            };
            self.current = Some((path, writer));
        }
        let Some((_, writer)) = &mut self.current else {
            return Ok(());
        };
        let entry = DataFileEntry {
            key: entry.key,
            seq: entry.version.seq,
            expires_at: entry.expires_at,
            value: entry.value,
        };
        writer.add(&entry).await?;
        if writer.estimated_bytes() >= self.jobs.settings.data_file_bytes_max {
            self.end_file().await?;
        }
        Ok(())
    }

    async fn end_file(&mut self) -> Result<(), Error> {
        if let Some((path, writer)) = self.current.take() {
            let summary = writer.finish().await?;
            failpoint::pass("data-file-written");
            self.files.push(FileEntry::new(&path, &summary));
        }
        Ok(())
    }

    /// Ends the last file and returns all of them.
    pub(super) async fn finish(mut self) -> Result<Vec<FileEntry>, Error> {
        self.end_file().await?;
        Ok(self.files)
    }

    /// A name that is used once: it tells the job's place in the log.
    fn new_path(&self) -> Result<ObjectPath, Error> {
        let environment = &self.jobs.environment;
        let mut random = [0; 16];
        environment.fill_random(&mut random);
        let ulid = Ulid::from_parts(
            environment.wall_time().as_millis(),
            u128::from_le_bytes(random),
        );
        Ok(ObjectPath::parse(&format!(
            "data/{:010}-{:020}-{ulid}.data",
            self.epoch, self.job_seq
        ))?)
    }
}
