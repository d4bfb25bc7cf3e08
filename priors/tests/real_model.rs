//! The real default model, by the same path a user takes: pulled into the cache, F16 copy, llama.cpp.
//!
//! One test at a time: two contexts at work on few cores spin against each other.

use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use credence_priors::bench::bench;
use credence_priors::cache::ModelCache;
use credence_priors::checks::{
    CHARTER, charter_report, embedded_charter_questions, embedded_pairs, obvious_pairs_report,
};
use credence_priors::elicited::ElicitedPrior;
use credence_priors::features::FittedBank;
use credence_priors::reading_cache::{FileReadingCache, MemoryReadingCache};
use credence_priors::readout::Alternative;
use credence_priors::reference::ModelReference;
use credence_priors::schema::{SchemaError, ValueSchema};
use credence_priors::scripted::Scripted;
use credence_priors::{
    Cancel, CompletionRequest, Continuation, Ending, LanguageModel, Llama, ModelError, ModelHandle, Prompt, Reading,
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn load() -> Result<Llama, Box<dyn std::error::Error>> {
    let cache = ModelCache::of_user(false);
    let model = cache.pull(&ModelReference::default(), &mut ()).map_err(|error| {
        format!("these tests need the default model: {error}. Run `credence model pull`, or set CREDENCE_CACHE to a cache that has it")
    })?;
    Ok(Llama::load(&model.path, &cache.llama_options())?)
}

fn reading(prompt: &str, words: &[&str]) -> Reading {
    Reading { prompt: prompt.into(), continuations: words.iter().map(|word| format!(" {word}")).collect() }
}

#[test]
fn real_model_knows_which_word_comes_next() -> Outcome {
    let _alone = alone();
    let mut model = load()?;
    let identity = model.describe();
    assert_eq!((identity.scoring_precision.as_str(), identity.architecture.as_str()), ("F16", "llama"));
    let readout = model.read(&[
        reading("The capital of France is", &["Paris", "banana"]),
        reading("Two plus two is", &["four", "blue"]),
    ])?;
    for readout in &readout {
        assert!(readout.ln_p[0] > readout.ln_p[1] + 2.0, "{readout:?}");
        assert!(readout.ln_p.iter().all(|ln_p| *ln_p <= 0.0));
    }
    // The chain rule: a text of one token is as likely as that token.
    let whole =
        model.log_likelihoods(&[Continuation { prompt: "The capital of France is".into(), text: " Paris".into() }])?;
    assert_eq!(whole[0].tokens, 1);
    assert!((whole[0].ln_p - readout[0].ln_p[0]).abs() < 0.02, "{whole:?} {readout:?}");
    Ok(())
}

#[test]
fn real_model_reads_the_same_alone_and_in_company() -> Outcome {
    let _alone = alone();
    let mut model = load()?;
    let acts = ["return the wallet", "return the favour", "keep the money", "keep quiet", "sing"];
    let readings: Vec<Reading> = (0..40)
        .map(|i| {
            let situation = ["It is late.", "You found a wallet in the street and nobody saw you."][i % 2];
            reading(&format!("{situation} To {} is", acts[i % acts.len()]), &["good", "bad"])
        })
        .collect();
    let together = model.read(&readings)?;
    let mut largest = 0.0_f64;
    for (reading, readout) in readings.iter().zip(&together) {
        let by_itself = model.read(std::slice::from_ref(reading))?;
        for (a, b) in by_itself[0].ln_p.iter().zip(&readout.ln_p) {
            largest = largest.max((a - b).abs());
        }
    }
    // In F16 the batch layout moves log-probabilities by a hundredth; 0.3 in Q4_1.
    assert!(largest < 0.05, "{largest}");
    assert_eq!(together, model.read(&readings)?);
    Ok(())
}

/// What a call leaves behind for the next saves work and changes nothing: the same bits as by a model that was just loaded.
#[test]
fn real_model_reads_the_same_bits_with_a_kept_beginning() -> Outcome {
    let _alone = alone();
    let briefing = "Whoever holds other people's money holds it for them. It may not be used for anything else, not for a day, not with the \
        best of intentions, and not even if it is certain to be returned. What was done with it must be shown to whoever asks, with \
        every receipt, and nobody may be both the one who spends and the one who checks. Where these rules are broken, the harm is \
        done before anything is lost, because trust was what the money had been given on.";
    let asked = |acts: &[&str]| -> Vec<Reading> {
        acts.iter().map(|act| reading(&format!("{briefing} To {act} is"), &["good", "bad"])).collect()
    };
    let (first, second) =
        (asked(&["borrow from it", "keep a list"]), asked(&["ask the members", "lend it out", "wait"]));
    let mut kept = load()?;
    let before = kept.read(&first)?;
    let with = kept.read(&second)?;
    let mut fresh = load()?;
    assert_eq!(fresh.read(&second)?, with);
    assert_eq!(fresh.read(&first)?, before);
    // Something else in between: what was kept is given up and made again.
    fresh.read(&[reading("The capital of France is", &["Paris", "banana"])])?;
    assert_eq!(fresh.read(&second)?, with);
    Ok(())
}

#[test]
fn real_model_completes_stops_and_follows_a_grammar() -> Outcome {
    let _alone = alone();
    let mut model = load()?;
    let mut heard = String::new();
    let request = CompletionRequest { tokens_max: 12, ..CompletionRequest::ask("Name three fruits.") };
    let completion = model.complete(&request, &mut |text| {
        heard.push_str(text);
        ControlFlow::Continue(())
    })?;
    assert_eq!(heard, completion.text);
    assert!(completion.tokens <= 12 && !completion.text.is_empty());

    let grammar = "root ::= \"- \" [a-z ]{1,20} \"\\n- \" [a-z ]{1,20} \"\\n\"";
    let request = CompletionRequest {
        grammar: Some(grammar.into()),
        temperature: 0.9,
        seed: 7,
        tokens_max: 64,
        ..CompletionRequest::ask("Name two fruits.")
    };
    let first = model.complete(&request, &mut |_| ControlFlow::Continue(()))?;
    assert!(first.text.starts_with("- ") && first.text.lines().count() == 2, "{first:?}");
    assert_eq!(first.ending, Ending::EndOfText);
    assert_eq!(first, model.complete(&request, &mut |_| ControlFlow::Continue(()))?, "the seed decides");

    let broken = CompletionRequest { grammar: Some("rot ::= (".into()), ..request.clone() };
    assert!(matches!(model.complete(&broken, &mut |_| ControlFlow::Continue(())), Err(ModelError::Grammar(_))));
    // After "- " this one allows nothing, not even the end.
    let stuck = CompletionRequest { grammar: Some("root ::= \"- \" [^\\x00-\\U0010FFFF]".into()), ..request.clone() };
    let refused = model.complete(&stuck, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(refused.to_string().contains("no token is allowed next"), "{refused}");
    let interrupted = model.complete(&request, &mut |_| ControlFlow::Break(()))?;
    assert_eq!(interrupted.ending, Ending::Interrupted);

    // What follows is known; each token is told with how probable it was.
    let prompt = Prompt::Text("The capital of France is".into());
    let request = CompletionRequest { prompt, tokens_max: 1, probable: Some(5), ..CompletionRequest::ask("") };
    let mut tokens = Vec::new();
    model.write(&request, &mut |piece| {
        tokens.extend(piece.tokens.iter().cloned());
        ControlFlow::Continue(())
    })?;
    assert_eq!((tokens.len(), tokens[0].bytes.as_slice()), (1, &b" Paris"[..]), "{tokens:?}");
    let read = model.read(&[reading("The capital of France is", &["Paris"])])?[0].ln_p[0];
    let ln_p = tokens[0].ln_p.unwrap_or_default();
    assert!((ln_p - read).abs() < 0.01, "{ln_p} as it is written, {read} as it is read");
    Ok(())
}

#[test]
fn real_model_refuses_what_does_not_fit() -> Outcome {
    let _alone = alone();
    let mut model = load()?;
    let long = "word ".repeat(5000);
    let error = model.read(&[reading(&long, &["good"])]).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("tokens and the model's context holds 4096"), "{error}");
    assert!(matches!(model.read(&[reading("", &["good"])]), Err(ModelError::Empty(_))));
    assert!(matches!(
        model.complete(&CompletionRequest::ask(long), &mut |_| ControlFlow::Continue(())),
        Err(ModelError::TooLong { .. })
    ));
    Ok(())
}

#[test]
fn real_model_files_that_are_none_are_refused_by_name() -> Outcome {
    let _alone = alone();
    let cache = ModelCache::of_user(false);
    let model = cache.pull(&ModelReference::default(), &mut ())?;
    let folder = tempfile::tempdir()?;
    let check = |name: &str, bytes: &[u8], expect: &str| -> Outcome {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes)?;
        let error = Llama::load(&path, &cache.llama_options()).err().ok_or("it was loaded")?;
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            message = format!("{message}: {error}");
            cause = error.source();
        }
        assert!(message.contains(name) && message.contains(expect), "{message}");
        Ok(())
    };
    let whole = std::fs::read(&model.path)?;
    check("text.gguf", b"this is a text", "not a GGUF file")?;
    check("half.gguf", &whole[..whole.len() / 2], "truncated")?;
    // The same file, claiming an architecture nobody has heard of.
    let mut strange = whole.clone();
    let key = b"general.architecture";
    let at = strange.windows(key.len()).position(|window| window == key).ok_or("no architecture")? + key.len() + 12;
    strange[at..at + 5].copy_from_slice(b"lxama");
    check("strange.gguf", &strange, "lxama")
}

#[test]
fn real_model_foreground_overtakes_background() -> Outcome {
    let _alone = alone();
    let handle = ModelHandle::spawn(|| load().map_err(|_| ModelError::Gone))?;
    let cancel = Cancel::default();
    let mut background = handle.background(cancel.clone());
    let work = thread::spawn(move || {
        let readings: Vec<Reading> =
            (0..4000).map(|i| reading(&format!("To count to {i} and then back again is"), &["good"])).collect();
        background.read(&readings).map(|readouts| readouts.len())
    });
    thread::sleep(std::time::Duration::from_millis(300));
    let started = Instant::now();
    handle.clone().read(&[reading("To wait is", &["good"])])?;
    let waited = started.elapsed();
    assert!(!work.is_finished(), "the background was done too soon for this test");
    cancel.cancel();
    let outcome = work.join().map_err(|_| "the background thread panicked")?;
    assert!(matches!(outcome, Err(ModelError::Cancelled)), "{outcome:?}");
    // 4000 prompts take a minute or more.
    assert!(waited.as_secs() < 10, "{waited:?}");
    Ok(())
}

#[test]
fn real_model_ranks_obvious_pairs() -> Outcome {
    let _alone = alone();
    let mut model = load()?;
    let schema = ValueSchema::embedded();
    schema.check_against(&mut model)?;
    let mut cache = FileReadingCache::open(&ModelCache::of_user(false).readings(), &model.describe(), &schema)?;
    let report = obvious_pairs_report(&mut model, &schema, &embedded_pairs()?, &mut cache)?;
    // Half of 40 would be chance; 28 or more have probability .008 by chance.
    assert!(report.judgement.all.right >= 28, "{report:?}");
    Ok(())
}

#[test]
fn real_model_describes_what_it_never_saw_and_nothing_without_it() -> Outcome {
    let _alone = alone();
    let mut model = load()?;
    let schema = ValueSchema::embedded();
    let mut readings = FileReadingCache::open(&ModelCache::of_user(false).readings(), &model.describe(), &schema)?;
    let bank: Vec<Alternative> = embedded_pairs()?
        .iter()
        .flat_map(|pair| [&pair.better, &pair.worse].map(|text| Alternative::new(Some(&pair.situation), text)))
        .collect();
    let fitted = FittedBank::read_and_fit(&mut model, &schema, &bank, &mut readings, &mut |_, _| {})?;
    let prior = ElicitedPrior::from_bank(&fitted);
    assert!(prior.mean.iter().chain(&prior.covariance).all(|number| number.is_finite()));
    assert_eq!(prior.dimension(), schema.values.len() + fitted.space.text_features_len() + 1);

    let unseen = [
        Alternative::new(
            Some("The ferry to Skerry is about to leave."),
            "Tell the captain the truth about the leaking hull.",
        ),
        Alternative::new(Some("The ferry to Skerry is about to leave."), "Lie to the captain about the leaking hull."),
    ];
    let mut empty = MemoryReadingCache::default();
    let described = fitted.space.describe(&mut model, &schema, &unseen, &mut empty)?;
    let honesty = schema.value_index("honesty").ok_or("no honesty")?;
    assert!(described[0].schema[honesty] > described[1].schema[honesty], "{described:?}");
    assert!(described.iter().all(|d| d.vector().iter().all(|number| number.is_finite())));

    // The same question with the model taken away: an error, not an invention.
    let mut gone = Scripted::strict();
    let without = fitted.space.describe(&mut gone, &schema, &unseen, &mut MemoryReadingCache::default());
    assert!(without.is_err());
    Ok(())
}

#[test]
fn real_model_poles_with_one_first_token_are_refused() -> Outcome {
    let _alone = alone();
    let mut model = load()?;
    let text =
        include_str!("../data/schema.toml").replace("[\"fun\", \"boring\"]", "[\"kind of fun\", \"kind of boring\"]");
    let schema = ValueSchema::parse(&text, "test")?;
    assert!(matches!(schema.check_against(&mut model), Err(SchemaError::SameToken { .. })));
    Ok(())
}

#[test]
fn real_model_reads_the_charter() -> Outcome {
    let _alone = alone();
    let mut model = load()?;
    let report = charter_report(&mut model, CHARTER, &embedded_charter_questions()?)?;
    // No bar: a model of this size is near chance, and the report says so.
    assert_eq!(report.by_rank.of, 20);
    assert!((0.0..=1.0).contains(&report.separation));
    Ok(())
}

#[test]
fn real_model_bench_runs() -> Outcome {
    let _alone = alone();
    let report = bench(&mut load()?, 1)?;
    assert!(report.raw_rate > 0.0 && report.shared_rate > report.unrelated_rate, "{report:?}");
    Ok(())
}
