//! The shortest complete program with documents: a type with its indexes, a few documents, and finding them.
//!
//! usage: cargo run -p datamanager --example quickstart [URL]
//!
//! The store is made if it is not there, by default in `./data/quickstart`; the program can be run again and again.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::Duration;

use datamanager::{DataManager, Document, Indexes, Query};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct User {
    id: String,
    name: String,
    team: String,
    age: u32,
}

impl Document for User {
    const TYPE: &'static str = "user";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<User> {
        Indexes::<User>::new()
            .unique("name", |user| user.name.clone())
            .index("team_age", |user| (user.team.clone(), user.age))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1);
    let url = url.unwrap_or_else(|| "file://./data/quickstart".to_owned());
    let store = DataManager::open(&url).await?;
    let users = store.collection::<User>()?;
    // At once in a new store. In one that an earlier version of a program has written, indexes may have to be built first.
    users.wait_for_indexes(Duration::from_secs(60)).await?;

    for (id, name, team, age) in [
        ("1", "ann", "red", 30),
        ("2", "bob", "blue", 41),
        ("3", "cy", "red", 22),
    ] {
        let (id, name, team) = (id.to_owned(), name.to_owned(), team.to_owned());
        // Once this returns, the document is on the disk, and in its indexes.
        users
            .put(&User {
                id,
                name,
                team,
                age,
            })
            .await?;
    }

    // By id, by a unique index, and in the order of an index.
    println!("{:?}", users.get("1").await?);
    println!("{:?}", users.find("name", "bob").await?);
    let mut reds = users.query(&Query::by("team_age").equal("red")).await?;
    while let Some(user) = reds.next().await? {
        println!("{} is {}", user.name, user.age);
    }
    store.close().await?;
    Ok(())
}
