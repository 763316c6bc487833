//! The commands, one file for each group.

mod configstore;
mod entries;
mod follow;
mod indexes;
mod inspect;
mod listing;
mod load;
mod maintenance;
mod sharing;
mod transfer;

use datamanager::DataManager;

use crate::cli::{Cli, Command};
use crate::output::Output;
use crate::{completions, remote};

pub(crate) use configstore::ConfigstoreArgs;
pub(crate) use indexes::MarkStale;
pub(crate) use listing::ScanArgs;
pub(crate) use load::LoadArgs;
pub(crate) use maintenance::parse_term;
pub(crate) use sharing::MaintenanceAction;
pub(crate) use transfer::ExportArgs;

/// Runs the command of the command line to its end.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<()> {
    let store = &cli.store;
    let output = Output::new(cli.json);
    match cli.command {
        Command::Put {
            data_type,
            id,
            file,
            indexes,
        } => entries::put(store, output, &data_type, &id, &file, indexes).await,
        Command::Get { data_type, id } => entries::get(store, output, &data_type, &id).await,
        Command::Delete {
            data_type,
            id,
            indexes,
        } => entries::delete(store, output, &data_type, &id, indexes).await,
        Command::Scan(args) => listing::scan(store, output, &args).await,
        Command::Types => listing::types(store, output).await,
        Command::Count { data_type } => listing::count(store, output, &data_type).await,
        Command::Load(args) => load::load(store, output, &args).await,
        Command::Status => inspect::status(store, output).await,
        Command::Verify => inspect::verify(store, output).await,
        Command::Wal { from } => inspect::wal(store, output, from).await,
        Command::Follow { from } => follow::follow(store, output, from).await,
        #[cfg(feature = "serve")]
        Command::Serve(args) => crate::serve::run(output, args, cli.verbose).await,
        Command::Configstore(args) => configstore::run(output, args).await,
        Command::Checkpoint => maintenance::checkpoint(store, output).await,
        Command::Compact => maintenance::compact(store, output).await,
        Command::Gc { dry_run } => maintenance::gc(store, output, dry_run).await,
        Command::Pin { name, term } => maintenance::pin(store, output, &name, term).await,
        Command::Unpin { name } => maintenance::unpin(store, &name).await,
        Command::Pins => maintenance::pins(store, output).await,
        Command::Export(args) => transfer::export(store, output, &args).await,
        Command::Import { file, force } => transfer::import(store, output, &file, force).await,
        Command::Maintenance { action, force } => {
            sharing::maintenance(store, output, action, force).await
        }
        Command::SwitchLog { to } => sharing::switch_log(store, &to).await,
        Command::Upgrade => sharing::upgrade(store).await,
        Command::DeletePrefix {
            data_type,
            prefix,
            indexes,
        } => maintenance::delete_prefix(store, output, &data_type, &prefix, indexes).await,
        Command::Drop { data_type, indexes } => {
            maintenance::delete_prefix(store, output, &data_type, "", indexes).await
        }
        Command::Reindex { data_type } => indexes::reindex(store, output, &data_type).await,
        Command::Remote(command) => remote::run(command, output).await,
        Command::Completions { shell } => completions::print(shell, output),
    }
}

/// Closes the store and gives the result of the work, or the failure to close if the work went well.
async fn close_after<T>(store: DataManager, result: anyhow::Result<T>) -> anyhow::Result<T> {
    let closed = store.close().await;
    let value = result?;
    closed?;
    Ok(value)
}
