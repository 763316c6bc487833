//! How much longer a read takes through the gateway than when the configstore is asked directly.

use std::time::{Duration, Instant};

use gateway_client::api::Visibility;
use reqwest::Client;

use crate::host::{Fill, World};

/// Reads of each kind. DM_SOAK_READS raises it.
const READS: usize = 50;

fn reads() -> usize {
    let given = std::env::var("DM_SOAK_READS").ok();
    given.map_or(READS, |count| count.parse().unwrap())
}

/// How long reads take, rising.
async fn measure(http: &Client, url: &str, token: &str) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..reads() {
        let started = Instant::now();
        let mut request = http.get(url);
        if !token.is_empty() {
            request = request.header("authorization", format!("token {token}"));
        }
        let response = request.send().await.unwrap().error_for_status().unwrap();
        assert!(response.bytes().await.unwrap().len() > 10);
        times.push(started.elapsed());
    }
    times.sort();
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_through_the_gateway_takes_little_longer() {
    let world = World::new().await;
    let user = world.user("user01").await;
    let token = user.token.as_str();
    let client = &user.client;
    client
        .add_project("user/user01", "project01", Visibility::Public)
        .await;
    let path = "/projects/user%2Fuser01%2Fproject01";
    let direct = format!("{}/api/v1alpha{path}", world.configstore.url());
    let http = Client::new();
    // The first ones make connections.
    measure(&http, &direct, "").await;
    measure(&http, &world.url(path), token).await;
    let direct = measure(&http, &direct, "").await;
    let anonymous = measure(&http, &world.url(path), "").await;
    let of_user = measure(&http, &world.url(path), token).await;
    let at = |times: &[Duration], percent: usize| times[(times.len() - 1) * percent / 100];
    for (name, times) in [
        ("direct", &direct),
        ("anonymous", &anonymous),
        ("user", &of_user),
    ] {
        println!("{name}: p50 {:?}, p99 {:?}", at(times, 50), at(times, 99));
    }
    let added = at(&of_user, 50).saturating_sub(at(&direct, 50));
    println!("added for a user, p50: {added:?}");
    // Other tests run beside it, so only what is far too much is a failure.
    assert!(added < Duration::from_secs(2), "{added:?}");
}
