//! The OpenAPI document, health and figures.

use crate::logs;
use serde_json::json;

use crate::served::{Service, empty_home};

#[test]
fn the_document_describes_what_is_there() {
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let document = service.get("/api/v1/openapi.json").ok();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    for path in ["/api/v1/sessions", "/api/v1/sessions/{session}/said", "/api/v1/values", "/api/v1/log", "/health"] {
        assert!(paths.iter().any(|p| *p == path), "{path} in {paths:?}");
    }
    assert_eq!(service.get("/health").ok(), json!({ "status": "ok", "head": 2 }));
    assert_eq!(service.as_nobody().get("/health").ok(), json!({ "status": "ok", "head": null }));
    assert_eq!(service.as_nobody().get("/metrics").status, 401);
    let metrics = service.get("/metrics").text;
    assert!(
        metrics.contains("credence_request_seconds_bucket") && metrics.contains("credence_log_records 2"),
        "{metrics}"
    );
    // Another process has no way in meanwhile.
    let (_, err, code) = logs::run(home.path(), &["evidence", "retract", "2", "--reason", "x"]);
    assert_eq!(code, 4, "{err}");
}

/// What others wrote is served as they wrote it, under a name with its version, for good.
#[test]
fn what_pages_load_is_whole_and_kept_by_browsers() {
    let vendor = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/serve/assets/vendor");
    let checked = std::process::Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&vendor)
        .output();
    let checked = checked.unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let home = empty_home();
    let service = Service::start(home.path(), &[]);
    let page = service.get("/").text;
    let loaded = |attribute: &str| -> Vec<String> {
        let begin = format!("{attribute}=\"/assets/");
        let after = page.split(&begin).skip(1);
        after.map(|rest| format!("/assets/{}", rest.split('"').next().unwrap())).collect()
    };
    let (scripts, styles) = (loaded("src"), loaded("href"));
    assert_eq!((scripts.len(), styles.len()), (3, 1), "{page}");
    assert_eq!(page.matches("integrity=\"sha384-").count(), 2);
    for path in scripts.iter().chain(&styles) {
        let answer = service.as_nobody().get(path);
        assert_eq!((answer.status, answer.cached.as_str()), (200, "public, max-age=31536000, immutable"), "{path}");
        if let Some(name) = path.strip_prefix("/assets/vendor/") {
            assert_eq!(answer.text, std::fs::read_to_string(vendor.join(name)).unwrap());
        }
    }
    // Nothing that is somebody's is kept.
    assert_eq!(service.get("/").cached, "no-store");
}
