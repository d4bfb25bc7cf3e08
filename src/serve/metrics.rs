//! What the service counts of itself, as text for Prometheus.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::App;

/// Upper ends of the classes of response times, seconds.
const SECONDS: [f64; 8] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1.0, 5.0];

/// Counters since the start.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    said: AtomicU64,
    within: [AtomicU64; SECONDS.len()],
    microseconds: AtomicU64,
}

impl Metrics {
    /// Something was said in a session.
    pub(super) fn answered(&self) {
        self.said.fetch_add(1, Ordering::Relaxed);
    }

    /// The text; the model wrote so many tokens, so many requests wait for it, and so many models are loaded.
    pub(super) fn text(&self, head: u64, (tokens, waiting, loaded): (u64, usize, usize)) -> String {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut text = String::new();
        let mut counter = |name: &str, help: &str, kind: &str, value: u64| {
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"));
        };
        counter("credence_requests_total", "Requests answered.", "counter", get(&self.requests));
        counter("credence_requests_refused_total", "Requests answered with a 4xx.", "counter", get(&self.refused));
        counter("credence_requests_failed_total", "Requests answered with a 5xx.", "counter", get(&self.failed));
        counter(
            "credence_said_total",
            "Answers, sentences and other things said in sessions.",
            "counter",
            get(&self.said),
        );
        counter("credence_model_tokens_total", "Tokens that the model wrote at /v1.", "counter", tokens);
        counter("credence_model_waiting", "Requests that wait for the model.", "gauge", waiting as u64);
        counter("credence_models_loaded", "Models in memory.", "gauge", loaded as u64);
        counter("credence_log_records", "Records of the log.", "gauge", head);
        let name = "credence_request_seconds";
        text.push_str(&format!("# HELP {name} Seconds from request to answer.\n# TYPE {name} histogram\n"));
        for (seconds, count) in SECONDS.iter().zip(&self.within) {
            text.push_str(&format!("{name}_bucket{{le=\"{seconds}\"}} {}\n", get(count)));
        }
        let (all, sum) = (get(&self.requests), get(&self.microseconds) as f64 / 1e6);
        text.push_str(&format!("{name}_bucket{{le=\"+Inf\"}} {all}\n{name}_sum {sum}\n{name}_count {all}\n"));
        text
    }
}

/// Counts a request.
pub(super) async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let response = next.run(request).await;
    let took = began.elapsed();
    let metrics = &app.metrics;
    metrics.requests.fetch_add(1, Ordering::Relaxed);
    metrics.microseconds.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    for (seconds, count) in SECONDS.iter().zip(&metrics.within) {
        if took.as_secs_f64() <= *seconds {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
    match response.status().as_u16() {
        400..=499 => drop(metrics.refused.fetch_add(1, Ordering::Relaxed)),
        500.. => drop(metrics.failed.fetch_add(1, Ordering::Relaxed)),
        _ => {}
    }
    response
}
