//! URLs, base paths, messages.

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;

use object_store::memory::InMemory;
use ost::{ErrorKind, ObjectPath, Ost, OstOptions, OstUrl};

#[test]
fn file_urls_and_bare_paths_are_relative_without_a_slash_in_front() {
    let here = std::env::current_dir().unwrap();
    for (url, expected) in [
        ("file:///var/lib/app", Path::new("/var/lib/app").to_owned()),
        (
            "file:///var/lib/my%20app",
            Path::new("/var/lib/my app").to_owned(),
        ),
        (
            "file:///var/lib/c+d%2525&e",
            Path::new("/var/lib/c+d%25&e").to_owned(),
        ),
        ("/var/lib/app", Path::new("/var/lib/app").to_owned()),
        ("/var/my%20app#1", Path::new("/var/my%20app#1").to_owned()),
        ("file://./x", here.join("x")),
        ("file://data/dm", here.join("data/dm")),
        ("./x", here.join("x")),
        ("data/dm", here.join("data/dm")),
        ("data/dm?base_path=p", here.join("data/dm/p")),
    ] {
        let ost = Ost::from_url(url).unwrap();
        assert_eq!(ost.local_dir(), Some(expected.as_path()), "{url}");
        assert_eq!(
            ost.location(),
            format!("file://{}", expected.display()),
            "{url}"
        );
    }
}

#[test]
fn urls_that_cannot_be_meant_are_invalid_and_name_what_is_wrong() {
    for (url, named) in [
        ("", "no directory"),
        ("file://", "no directory"),
        ("file://localhost/x", "host name"),
        ("file:///x#y", "fragment"),
        ("file:///x?colour=red", "\"colour\""),
        ("./x?log=object", "\"log\""),
        ("ftp://x/y", "\"ftp\""),
        ("memory://p?path_style=maybe", "\"maybe\""),
        ("memory://a//b", "slash"),
        ("s3:///x", "bucket"),
        ("s3://bucket", "base path"),
        ("s3://bucket/", "base path"),
        ("gs://bucket", "base path"),
        ("az://bucket", "base path"),
        ("s3://user:secret@bucket/x", "credentials"),
        ("s3://bucket:9000/x", "endpoint"),
        ("file:///a%ffb", "UTF-8"),
    ] {
        let error = Ost::from_url(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
        assert!(error.to_string().contains(named), "{url}: {error}");
        assert!(!error.to_string().contains("secret"), "{url}: {error}");
    }
}

#[test]
fn others_take_their_settings_out_first() {
    let mut url = OstUrl::parse("file://./x?log=file&base_path=p&log=object").unwrap();
    assert!(url.is_local());
    assert_eq!(url.take_query("log").as_deref(), Some("object"));
    assert_eq!(url.take_query("log"), None);
    assert_eq!(url.to_string(), "file://./x");
    let ost = url.open(&OstOptions::default()).unwrap();
    assert!(ost.local_dir().unwrap().ends_with("x/p"));
}

#[test]
fn settings_come_from_options_and_the_query_wins() {
    let options = OstOptions {
        base_path: Some("from/options".to_owned()),
        ..OstOptions::default()
    };
    let ost = Ost::from_url_with("memory://a", &options).unwrap();
    assert_eq!(
        (ost.base_path(), ost.location()),
        ("a/from/options", "memory://a/from/options")
    );
    let ost = Ost::from_url_with("memory://a?base_path=from/url", &options).unwrap();
    assert_eq!(ost.base_path(), "a/from/url");
}

#[cfg(feature = "aws")]
#[tokio::test]
async fn s3_opens_below_a_base_path_without_a_request() {
    let url = "s3://bucket/some/base?endpoint=http://127.0.0.1:1&region=eu&path_style=true";
    let ost = Ost::from_url(url).unwrap();
    assert_eq!(
        (ost.base_path(), ost.location()),
        ("some/base", "s3://bucket/some/base")
    );
    assert_eq!(ost.local_dir(), None);
    let options = OstOptions {
        base_path: Some("p".to_owned()),
        ..OstOptions::default()
    };
    assert_eq!(
        Ost::from_url_with("s3://bucket", &options)
            .unwrap()
            .base_path(),
        "p"
    );
}

#[cfg(not(feature = "aws"))]
#[test]
fn provider_that_was_not_built_says_so() {
    let error = Ost::from_url("s3://bucket/x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.source().unwrap().to_string().contains("`aws`"),
        "{error:?}"
    );
}

#[test]
fn key_counts_with_its_base_path() {
    futures::executor::block_on(async {
        let base = format!("{}/{}", "b".repeat(250), "b".repeat(250));
        let ost = Ost::from_object_store(Arc::new(InMemory::new()), &base).unwrap();
        let fits = ["k".repeat(250), "k".repeat(250), "k".repeat(20)].join("/");
        assert_eq!(base.len() + 1 + fits.len(), 1024);
        ost.put(&ObjectPath::parse(&fits).unwrap(), "".into())
            .await
            .unwrap();
        let error = ost
            .put(&ObjectPath::parse(&(fits + "k")).unwrap(), "".into())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    });
}

#[test]
fn messages_name_operation_key_and_location_and_the_cause_is_linked() {
    futures::executor::block_on(async {
        let ost = Ost::memory().with_base_path("p").unwrap();
        let error = ost
            .get(&ObjectPath::parse("a/b").unwrap())
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read object \"a/b\" in memory://p"
        );
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.source().is_some());
    });
}
