//! What concerns all processes of a store: `maintenance`, `switch-log`, `upgrade`.

use clap::ValueEnum;
use datamanager::LogKind;

use super::close_after;
use super::inspect::{shown_instance, shown_mode};
use crate::cli::StoreArgs;
use crate::exit::Reason;
use crate::output::{Output, note};

/// What `dm maintenance` does.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum MaintenanceAction {
    /// Refuse transactions from now on
    On,
    /// Accept them again
    Off,
    /// Say which it is, and what each process has reported
    Status,
}

pub(super) async fn maintenance(
    store: &StoreArgs,
    mut output: Output,
    action: MaintenanceAction,
    force: bool,
) -> anyhow::Result<()> {
    let (store, changed) = match action {
        MaintenanceAction::Status => (store.open_read_only().await?, Ok(())),
        MaintenanceAction::On => {
            let store = store.open().await?;
            let changed = store.maintenance_on().await.map(drop);
            (store, changed)
        }
        MaintenanceAction::Off => {
            let store = store.open().await?;
            let changed = store.maintenance_off(force).await.map(drop);
            (store, changed)
        }
    };
    let status = store.maintenance();
    let instances = store.instances().await;
    let instances = close_after(store, changed.and(instances).map_err(Into::into)).await?;
    if output.is_json() {
        output.json(&serde_json::json!({ "status": status, "instances": instances }))?;
    } else {
        let since = status
            .since
            .map_or(String::new(), |since| format!(" since {since}"));
        output.line(format!("{}{since}", shown_mode(status.mode)))?;
        for instance in &instances {
            output.line(shown_instance(instance))?;
        }
    }
    output.finish()
}

pub(super) async fn switch_log(store: &StoreArgs, to: &str) -> anyhow::Result<()> {
    let to: LogKind = to.parse().map_err(Reason::argument)?;
    store.builder()?.switch_log(to).await?;
    note(format_args!("the log is kept as log={to} from now on"));
    Ok(())
}

pub(super) async fn upgrade(store: &StoreArgs) -> anyhow::Result<()> {
    let store = store.open().await?;
    let upgraded = store.upgrade().await;
    let (before, now) = close_after(store, upgraded.map_err(Into::into)).await?;
    if before == now {
        note(format_args!(
            "records are written in format {now} already, the newest that this version knows"
        ));
    } else {
        note(format_args!(
            "records are written in format {now} from now on; before it was {before}"
        ));
    }
    Ok(())
}
