//! Export and import.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::ensure;
use datamanager::{ExportFormat, ExportOptions, ImportOptions};

use super::commits::directory;
use crate::options::Options;
use crate::report::{Report, Unit};
use crate::subject::Subject;
use crate::subjects::{Datamanager, OURS};

const VALUE_BYTES: usize = 1_000;

pub(super) async fn measure(
    options: &Options,
    place: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let entries = options.transfer_bytes() / VALUE_BYTES as u64;
    let source = Datamanager::in_files(&directory(place, "source")?).await?;
    source.load(0, entries, VALUE_BYTES).await?;
    source.settle().await?;
    let target = Datamanager::in_files(&directory(place, "target")?).await?;
    target.store.maintenance_on().await?;
    for format in [ExportFormat::Native, ExportFormat::Agola] {
        let megabytes = options.transfer_bytes() as f64 / 1e6;
        let file = place.join("export");
        let began = Instant::now();
        let mut export = source
            .store
            .export(ExportOptions::new().format(format))
            .await?;
        let mut output = BufWriter::new(File::create(&file)?);
        while let Some(piece) = export.next().await? {
            output.write_all(&piece)?;
        }
        output.flush()?;
        drop(export);
        let rate = megabytes / began.elapsed().as_secs_f64();
        report.add(
            &format!("export of documents, format {format}"),
            OURS,
            Unit::MegabytesPerSecond,
            rate,
        );

        let began = Instant::now();
        let input = tokio::fs::File::open(&file).await?;
        let imported = target.store.import(input, ImportOptions::new()).await?;
        let rate = megabytes / began.elapsed().as_secs_f64();
        ensure!(
            imported.entries == entries,
            "{} entries came back",
            imported.entries
        );
        report.add(
            &format!("import of documents, format {format}"),
            OURS,
            Unit::MegabytesPerSecond,
            rate,
        );
    }
    target.close().await?;
    source.close().await
}
