//! Caches.

use bytes::Bytes;
use futures::stream;
use runservice::client::Client;

use crate::host::{Server, assert_not_found, assert_refused, whole};

async fn put(client: &Client, key: &str, content: &'static str) -> bool {
    let content = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(
        content.as_bytes(),
    ))]);
    client.put_cache(key, content).await.unwrap()
}

async fn get(client: &Client, key: &str) -> String {
    String::from_utf8(whole(client.cache(key).await.unwrap()).await).unwrap()
}

async fn get_with_prefix(client: &Client, prefix: &str) -> String {
    let cache = client.cache_with_prefix(prefix).await.unwrap();
    String::from_utf8(whole(cache).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_is_kept_as_it_was_put_first() {
    let server = Server::new().await;
    let client = server.client();
    assert!(!client.has_cache("p1-k").await.unwrap());
    assert_not_found(client.cache("p1-k").await.map(|_| ()));
    assert!(put(&client, "p1-k", "first").await);
    assert!(!put(&client, "p1-k", "second").await);
    assert_eq!(get(&client, "p1-k").await, "first");
    assert!(client.has_cache("p1-k").await.unwrap());
    assert!(!client.has_cache("p1").await.unwrap());
    assert!(client.has_cache_with_prefix("p1").await.unwrap());
    assert!(!client.has_cache_with_prefix("p2").await.unwrap());
    // Any text is a key.
    for key in ["p1-a/b", "p1-ä ö%2F", "p1-.."] {
        assert!(put(&client, key, "x").await, "{key}");
        assert!(client.has_cache(key).await.unwrap(), "{key}");
        assert_eq!(get(&client, key).await, "x", "{key}");
    }
    assert!(put(&client, &"k".repeat(200), "x").await);
    let long = "k".repeat(201);
    let content = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"x"))]);
    assert_refused(client.put_cache(&long, content).await);
    assert_refused(client.has_cache(&long).await);
    assert_refused(client.cache(&long).await.map(|_| ()));
    assert_refused(client.has_cache(&"ä".repeat(34)).await);
}

/// agola gives the last one by name.
#[tokio::test(flavor = "multi_thread")]
async fn the_newest_cache_with_a_prefix_is_found() {
    let server = Server::new().await;
    let client = server.client();
    for key in ["p1-z", "p1-a", "p1-m", "p2-n"] {
        assert!(put(&client, key, key.to_owned().leak()).await);
        // Times of files may be as coarse as this.
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    assert_eq!(get_with_prefix(&client, "p1-").await, "p1-m");
    assert_eq!(get_with_prefix(&client, "p").await, "p2-n");
    assert_eq!(get_with_prefix(&client, "p1-a").await, "p1-a");
    assert_not_found(client.cache_with_prefix("q").await.map(|_| ()));
}

/// What is cut off on its way is not kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_cache_whose_upload_is_cut_is_not_there() {
    let server = Server::new().await;
    let client = server.client();
    let cut = stream::iter([
        Ok(Bytes::from_static(b"half of it")),
        Err(std::io::Error::other("cut")),
    ]);
    client.put_cache("p1-k", cut).await.unwrap_err();
    assert!(!client.has_cache("p1-k").await.unwrap());
    assert!(put(&client, "p1-k", "whole").await);
    assert_eq!(get(&client, "p1-k").await, "whole");
}
