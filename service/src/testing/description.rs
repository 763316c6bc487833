//! The OpenAPI document of a server.

use std::path::Path;

use serde_json::Value;

/// Routes that all servers have.
const SHARED: [&str; 6] = [
    "maintenance",
    "export",
    "import",
    "instances",
    "store",
    "openapi.json",
];

async fn description(url: &str) -> Value {
    let answer = reqwest::get(format!("{url}/api/v1alpha/openapi.json")).await;
    let body = answer.expect("the server answers").bytes().await;
    serde_json::from_slice(&body.expect("the answer is whole")).expect("the description is JSON")
}

/// Asserts that the description of the server at `url` has so many operations beside those that all servers have, that each
/// names the parameters of its path, and that each may answer 400.
///
/// # Panics
/// It is not so.
pub async fn assert_description_is_complete(url: &str, operations: usize) {
    let document = description(url).await;
    let mut count = 0;
    for (path, item) in document["paths"].as_object().expect("there are paths") {
        let Some(rest) = path.strip_prefix("/api/v1alpha/") else {
            continue;
        };
        if SHARED.contains(&rest) {
            continue;
        }
        for operation in item.as_object().expect("a path has operations").values() {
            count += 1;
            for name in rest.split('/').filter_map(|part| part.strip_prefix('{')) {
                let name = name.trim_end_matches('}');
                let parameters = operation["parameters"].as_array();
                let named = parameters
                    .into_iter()
                    .flatten()
                    .filter(|one| one["name"] == name && one["in"] == "path");
                assert_eq!(named.count(), 1, "{path} {name}");
            }
            assert!(operation["responses"]["400"].is_object(), "{path}");
        }
    }
    assert_eq!(count, operations);
}

/// Asserts that `openapi.json` in a directory is the description of the server at `url`, so that a change of the API is seen
/// in review. With DM_UPDATE=1 the file is written instead.
///
/// # Panics
/// It is another one.
pub async fn assert_description_is_checked_in(url: &str, manifest_directory: &str) {
    let document = description(url).await;
    let text = serde_json::to_string_pretty(&document).expect("it was JSON");
    let text = format!("{text}\n");
    let file = Path::new(manifest_directory).join("openapi.json");
    if std::env::var_os("DM_UPDATE").is_some() {
        std::fs::write(&file, &text).expect("the file can be written");
    }
    let expected = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        text == expected,
        "the API has changed: run this test with DM_UPDATE=1 and look at the difference"
    );
}
