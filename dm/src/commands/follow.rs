//! Every transaction as it comes: `follow`.

use datamanager::FollowedTransaction;

use crate::cli::StoreArgs;
use crate::output::Output;

use super::close_after;

/// Prints transactions until there is an error, or nobody reads them any more.
pub(super) async fn follow(
    store: &StoreArgs,
    mut output: Output,
    from: Option<u64>,
) -> anyhow::Result<()> {
    let store = store.open_read_only().await?;
    let work = async {
        let mut follow = match from {
            Some(seq) => store.follow(store.cursor_before(seq).await?),
            None => store.follow_new(),
        };
        loop {
            let transaction = follow.next().await?;
            print(&mut output, &transaction)?;
            // Whoever reads the lines gets each at once.
            output.flush()?;
        }
    };
    let result = work.await;
    close_after(store, result).await
}

/// Writes a transaction as one line of JSON.
fn print(output: &mut Output, transaction: &FollowedTransaction) -> anyhow::Result<()> {
    output.bytes(format!(
        "{{\"cursor\":\"{}\",\"epoch\":{},\"seq\":{},\"index\":{},\"time\":{},\"writes\":[",
        transaction.cursor,
        transaction.position.epoch,
        transaction.position.seq,
        transaction.index,
        transaction.time.as_millis()
    ))?;
    for (place, write) in transaction.writes.iter().enumerate() {
        if place > 0 {
            output.bytes(b",")?;
        }
        output.bytes(b"{\"type\":")?;
        output.json_value(&write.data_type)?;
        output.bytes(b",\"id\":")?;
        output.json_value(&write.id)?;
        match &write.value {
            Some(value) => output.json_data(value)?,
            None => output.bytes(b",\"deleted\":true")?,
        }
        if let Some(time) = write.expires_at {
            output.bytes(format!(",\"expires_at\":{}", time.as_millis()))?;
        }
        output.bytes(b"}")?;
    }
    output.line(b"]}")
}
