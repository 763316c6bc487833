//! The page for people: what is served, and what it may do. What it does in a browser is a test of `dm`.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::header::HeaderMap;

use crate::host::World;

#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_the_page_is_served_with_a_strict_policy_and_asks_no_other_host() {
    let world = World::new().await;
    let url = world.gateway.url();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(&directory).unwrap() {
        files.insert(entry.unwrap().file_name().into_string().unwrap());
    }
    assert!(files.remove("index.html") && files.len() > 10, "{files:?}");
    let (index, headers) = get(&format!("{url}/")).await;
    assert_protects(&headers, "text/html; charset=utf-8");
    let mut texts = vec![index];
    for file in &files {
        let (text, headers) = get(&format!("{url}/assets/{file}")).await;
        assert_protects(&headers, kind(file));
        let expected = std::fs::read_to_string(directory.join(file)).unwrap();
        assert_eq!(text, expected, "{file}");
        texts.push(text);
    }
    for text in texts {
        for name in text.split("from './").skip(1) {
            let name = name.split('\'').next().unwrap();
            assert!(files.contains(name), "{name} is not served");
        }
        let others = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!others.contains("://"), "{text}");
        // Text is never made into markup.
        assert!(!text.contains("innerHTML") && !text.contains("insertAdjacentHTML"));
    }
}

async fn get(url: &str) -> (String, HeaderMap) {
    let response = reqwest::get(url).await.unwrap();
    assert!(response.status().is_success(), "{url}");
    let headers = response.headers().clone();
    (response.text().await.unwrap(), headers)
}

fn kind(file: &str) -> &'static str {
    match Path::new(file).extension().and_then(|end| end.to_str()) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => panic!("{file} has a type of its own"),
    }
}

fn assert_protects(headers: &HeaderMap, kind: &str) {
    assert_eq!(headers["content-type"], kind);
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(
        !policy.contains("unsafe") && !policy.contains('*'),
        "{policy}"
    );
}
