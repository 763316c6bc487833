//! Seeded runs of several processes that write documents in every way, die and come back; after which, and meanwhile, every
//! snapshot has indexes that are exactly what its documents make of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use datamanager::environment::Environment;
use datamanager::testing::SimulatedEnvironment;
use datamanager::{DataManager, Error, ErrorKind, Query, ScanOptions};

use super::User;
use crate::site::Site;

/// Of a snapshot: each index against the documents. Returns whether all indexes could be asked.
async fn check(store: &DataManager, seed: u64) -> bool {
    let snapshot = store.snapshot();
    let users = snapshot.documents::<User>(&ScanOptions::new()).unwrap();
    let users = users.collect().await.unwrap();
    let mut by_name = BTreeMap::new();
    for user in &users {
        let other = by_name.insert(user.name.clone(), user.id.clone());
        assert_eq!(
            other, None,
            "seed {seed}: two documents are named {:?}",
            user.name
        );
    }
    let mut by_team: Vec<_> = users
        .iter()
        .map(|user| (user.team.clone(), user.age, user.id.clone()))
        .collect();
    by_team.sort();
    let found = match snapshot.query::<User>(&Query::by("team_age")).await {
        Ok(scan) => scan.collect().await.unwrap(),
        Err(error) if error.kind() == ErrorKind::Unavailable => return false,
        Err(error) => panic!("seed {seed}: {error:?}"),
    };
    let found: Vec<_> = found
        .into_iter()
        .map(|user| (user.team, user.age, user.id))
        .collect();
    assert_eq!(found, by_team, "seed {seed}: index team_age");
    let found = snapshot.query::<User>(&Query::by("name")).await.unwrap();
    let found = found.collect().await.unwrap();
    let found: BTreeMap<_, _> = found.into_iter().map(|user| (user.name, user.id)).collect();
    assert_eq!(found, by_name, "seed {seed}: index name");
    let backwards = Query::by("name").descending();
    let count = snapshot.count_by::<User>(&backwards).await.unwrap();
    assert_eq!(
        count,
        users.len() as u64,
        "seed {seed}: index name, backwards"
    );
    true
}

/// One random change; what it may fail with is an answer too.
async fn change(store: &DataManager, process: &SimulatedEnvironment) -> Result<(), Error> {
    let mut random = [0u8; 8];
    process.fill_random(&mut random);
    let [kind, id, name, team, ..] = random;
    let (id, name) = (format!("i{}", id % 12), format!("n{}", name % 16));
    let team = ["red", "redder", "blue"][usize::from(team) % 3];
    let user = User::new(&id, &name, team, u32::from(kind % 5));
    let mut transaction = store.begin();
    match kind % 20 {
        0..8 => transaction.put(&user)?,
        8..11 => transaction.delete::<User>(&id)?,
        11..15 => {
            // Takes the name from who has it.
            if let Some(other) = transaction.find::<User>("name", name.as_str()).await? {
                transaction.delete::<User>(&other.id)?;
            }
            transaction.put(&user)?;
        }
        15..18 => {
            let query = Query::by("team_age").equal(team).limit(3);
            let found = transaction.query::<User>(&query).await?.collect().await?;
            for (number, mut member) in found.into_iter().enumerate() {
                member.age += 1;
                member.name = format!("{name}-{number}");
                transaction.put(&member)?;
            }
        }
        18 => {
            transaction.allow_stale_indexes();
            transaction.delete_raw("user", &id)?;
        }
        _ => return store.mark_indexes_stale("user").await,
    }
    transaction.commit().await.map(drop)
}

const PROCESSES: u32 = 3;
const LIVES: u32 = 2;
const CLIENTS: u32 = 3;
const CHANGES: u32 = 12;

async fn client(store: &DataManager, process: &SimulatedEnvironment, seed: u64) -> (u32, u32) {
    let (mut committed, mut asked) = (0, 0);
    for _ in 0..CHANGES {
        match change(store, process).await {
            Ok(()) => committed += 1,
            Err(error) => assert!(
                matches!(
                    error.kind(),
                    ErrorKind::Conflict
                        | ErrorKind::NotUnique
                        | ErrorKind::Unavailable
                        // There is no document yet, and so no index.
                        | ErrorKind::NotFound
                ),
                "seed {seed}: {error:?}"
            ),
        }
        asked += u32::from(check(store, seed).await);
    }
    (committed, asked)
}

fn sum(counts: Vec<(u32, u32)>) -> (u32, u32) {
    counts.into_iter().fold((0, 0), |sum, (committed, asked)| {
        (sum.0 + committed, sum.1 + asked)
    })
}

/// The lives of one process. All but the last end by losing power at some step.
async fn live(site: &Site, number: u32) -> (u32, u32) {
    let (mut committed, mut asked) = (0, 0);
    for life in 0..LIVES {
        let name = format!("p{number}-{life}");
        let process = site.process(&name);
        let is_last = life + 1 == LIVES;
        let work = {
            let builder = site.builder(&process);
            let seed = site.seed;
            let own = process.clone();
            move || async move {
                let store = open(builder, &own).await;
                let clients = (0..CLIENTS).map(|_| client(&store, &own, seed));
                let counts = futures::future::join_all(clients).await;
                store.close().await.unwrap();
                sum(counts)
            }
        };
        if !is_last {
            let mut random = [0u8; 2];
            process.fill_random(&mut random);
            process.kill_after(200 + u64::from(u16::from_le_bytes(random) % 2_000));
        }
        if let Some((more, checks)) = process.run("life", work()).await {
            committed += more;
            asked += checks;
        }
    }
    (committed, asked)
}

async fn open(builder: datamanager::Builder, process: &Arc<SimulatedEnvironment>) -> DataManager {
    loop {
        match builder.clone().open().await {
            Ok(store) => return store,
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                process.sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn run(seed: u64) -> (u32, u32) {
    let site = Site::new(seed).with_busy_jobs();
    site.run(async || {
        let lives = (0..PROCESSES).map(|number| live(&site, number));
        let counts = futures::future::join_all(lives).await;
        // Whoever comes last finds everything in order, and can finish what the others had begun.
        let process = site.process("last");
        let store = site.open(&process).await;
        let users = store.collection::<User>().unwrap();
        users
            .wait_for_indexes(Duration::from_secs(60))
            .await
            .unwrap();
        assert!(check(&store, seed).await);
        let verified = users.verify_indexes().await.unwrap();
        assert!(verified.damage.is_empty(), "seed {seed}: {verified:?}");
        store.close().await.unwrap();
        sum(counts)
    })
}

#[test]
fn indexes_are_what_the_documents_make_of_them_whoever_dies_when() {
    let first: u64 = std::env::var("DM_SEED").map_or(1, |seed| seed.parse().unwrap());
    let rounds: u64 = std::env::var("DM_SOAK_ROUNDS").map_or(4, |rounds| rounds.parse().unwrap());
    let (committed, asked) = sum((first..first + rounds).map(run).collect());
    let least = 20 * u32::try_from(rounds).unwrap();
    assert!(
        committed >= least && asked >= least,
        "the runs came to {committed} commits and {asked} looks at complete indexes"
    );
}
