//! A view: a structure in memory that is derived from documents and follows them as they change.
//!
//! usage: cargo run -p datamanager --example live_view [URL]
//!
//! Orders come in, change and are cancelled. The view has the revenue of each region at hand, without reading any order
//! again; it says how many records of the log it is behind, and can be waited for.

#![expect(clippy::print_stdout, reason = "what the view shows is printed")]

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use datamanager::{Collection, DataManager, Document, ScanOptions};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

const REGIONS: [&str; 3] = ["east", "north", "west"];
const ORDERS: u64 = 300;
/// An order changes after so many others, and one in ten is cancelled then.
const CHANGED_AFTER: u64 = 20;
const PRINT_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    id: String,
    region: String,
    cents: u64,
}

impl Document for Order {
    const TYPE: &'static str = "order";

    fn id(&self) -> &str {
        &self.id
    }
}

/// Cents by region.
type Revenue = BTreeMap<String, u64>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Removed when the program ends.
    let directory = tempfile::tempdir()?;
    let temporary = format!("file://{}", directory.path().display());
    let url = std::env::args().nth(1).unwrap_or(temporary);
    let store = DataManager::open(&url).await?;
    let orders = store.collection::<Order>()?;

    // The first function makes what there is without any order, the second one takes in a step of one of them.
    let revenue = orders
        .view(Revenue::new, |revenue, change| {
            if let Some(old) = change.old {
                *revenue.entry(old.region.clone()).or_default() -= old.cents;
            }
            if let Some(new) = change.new {
                *revenue.entry(new.region.clone()).or_default() += new.cents;
            }
        })
        .await?;

    let writer = tokio::spawn(write_orders(orders.clone()));
    while !writer.is_finished() {
        // Looking never waits for the log, only for a change that is being taken in.
        println!(
            "{} orders, {} records behind: {}",
            revenue.len(),
            revenue.behind(),
            revenue.read(shown)
        );
        sleep(PRINT_INTERVAL).await;
    }
    writer.await??;

    // Whoever has just written something waits until the view has it.
    revenue.wait_for(store.position()).await?;
    ensure!(revenue.behind() == 0, "nothing was written meanwhile");
    println!(
        "{} orders in the end: {}",
        revenue.len(),
        revenue.read(shown)
    );

    let expected = read_revenue(&orders).await?;
    ensure!(
        revenue.read(|revenue| *revenue == expected),
        "the view shows {}, and the orders are {}",
        revenue.read(shown),
        shown(&expected)
    );
    drop(revenue);
    store.close().await?;
    Ok(())
}

/// Writes, changes and cancels orders.
async fn write_orders(orders: Collection<Order>) -> anyhow::Result<()> {
    for number in 0..ORDERS {
        let region = REGIONS[usize::try_from(number)? % REGIONS.len()];
        orders.put(&order(number, region, 100 + number)).await?;
        let Some(earlier) = number.checked_sub(CHANGED_AFTER) else {
            continue;
        };
        if earlier % 10 == 0 {
            orders.delete(&order_id(earlier)).await?;
        } else {
            orders.put(&order(earlier, "east", 50)).await?;
        }
    }
    Ok(())
}

fn order(number: u64, region: &str, cents: u64) -> Order {
    let (id, region) = (order_id(number), region.to_owned());
    Order { id, region, cents }
}

fn order_id(number: u64) -> String {
    format!("{number:06}")
}

/// The same figures from the orders themselves.
async fn read_revenue(orders: &Collection<Order>) -> anyhow::Result<Revenue> {
    let mut revenue = Revenue::new();
    let mut scan = orders.documents(&ScanOptions::new())?;
    while let Some(order) = scan.next().await? {
        *revenue.entry(order.region).or_default() += order.cents;
    }
    Ok(revenue)
}

fn shown(revenue: &Revenue) -> String {
    let regions = revenue
        .iter()
        .map(|(region, cents)| format!("{region} {}.{:02}", cents / 100, cents % 100));
    regions.collect::<Vec<_>>().join(", ")
}
