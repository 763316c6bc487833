//! Create-if-absent.

use futures::future::join_all;

use super::Failure;
use super::failure::Case;
use crate::{Create, Ost};

/// Writers that create the same object at once.
const WRITERS: usize = 64;

/// Rounds, each with a key of its own.
const ROUNDS: usize = 4;

/// Of 64 parallel creates one wins, and the object holds what the winner wrote.
///
/// # Errors
/// No winner, more than one, or another content.
pub async fn create_is_won_once(ost: &Ost) -> Result<(), Failure> {
    let case = Case::begin(ost, "create_is_won_once").await?;
    for round in 0..ROUNDS {
        let path = case.path(&format!("wal/{round}"))?;
        let writers = (0..WRITERS).map(|writer| {
            let (ost, path) = (&case.ost, &path);
            async move { ost.create(path, content(writer).into()).await }
        });
        let mut winners = Vec::new();
        for (writer, result) in join_all(writers).await.into_iter().enumerate() {
            if case.ok("create", result)? == Create::Created {
                winners.push(writer);
            }
        }
        case.check(winners.len() == 1, || {
            format!("the writers {winners:?} have won")
        })?;
        for winner in winners {
            case.expect(path.as_str(), &content(winner)).await?;
        }
    }
    case.clean_up().await
}

/// A second create by the same handle, with the same content, is told that the object exists; after a delete it
/// creates again.
///
/// # Errors
/// Another answer.
pub async fn create_exists_for_the_same_writer(ost: &Ost) -> Result<(), Failure> {
    let case = Case::begin(ost, "create_exists_for_the_same_writer").await?;
    let path = case.path("x/y")?;
    for expected in [Create::Created, Create::Exists] {
        let created = case.ok("create", case.ost.create(&path, "same".into()).await)?;
        case.same("create", created, expected)?;
    }
    case.ok("delete", case.ost.delete(&path).await)?;
    let created = case.ok("create", case.ost.create(&path, "again".into()).await)?;
    case.same("create after delete", created, Create::Created)?;
    case.expect("x/y", "again").await?;
    case.clean_up().await
}

fn content(writer: usize) -> String {
    format!("written by {writer}")
}
