//! Messages for tests: one person, six values, one question.

use credence_agent::instrument::LEVEL_NAMES;
use credence_agent::protocol::{
    ConfirmView, Contribution, MovedView, OpenView, OpenedView, PageView, PersonView, PredictedView, Progress,
    QuestionView, Shown, SummaryView, SurpriseView, ValueChange, ValueView, ValuesView, WhyView,
};
use credence_memory::record::QuestionKind;

pub(crate) fn question() -> QuestionView {
    QuestionView {
        number: 13,
        kind: QuestionKind::Choice,
        situation:
            "You find a wallet on the train. It holds 200 euros, a library card with a name on it, and a photograph. \
                    Nobody saw you pick it up."
                .to_owned(),
        alternatives: vec![
            "hand it in at the station, money and all".to_owned(),
            "keep the money and post the rest to the library".to_owned(),
        ],
        levels: Vec::new(),
        indifference_offered: true,
        gain_nats: 0.21,
        reask: false,
        remaining: Some(87),
    }
}

pub(crate) fn portrait() -> QuestionView {
    QuestionView {
        kind: QuestionKind::Portrait,
        situation: String::new(),
        alternatives: vec!["tell people the truth even when it is awkward".to_owned()],
        levels: LEVEL_NAMES.map(str::to_owned).to_vec(),
        indifference_offered: false,
        ..question()
    }
}

pub(crate) fn best_and_worst() -> QuestionView {
    let alternatives = [
        "tell people the truth even when it is awkward",
        "keep a family recipe as it was handed down",
        "spend less than one earns",
        "try food that nobody at the table can name",
    ];
    QuestionView {
        kind: QuestionKind::BestAndWorst,
        situation: String::new(),
        alternatives: alternatives.map(str::to_owned).to_vec(),
        indifference_offered: false,
        ..question()
    }
}

pub(crate) fn values() -> ValuesView {
    let value =
        |id: &str, name: &str, [mean, low, high]: [f64; 3], [prior_mean, prior_low, prior_high]: [f64; 3]| ValueView {
            id: id.to_owned(),
            name: name.to_owned(),
            mean,
            low,
            high,
            prior_mean,
            prior_low,
            prior_high,
            probability_above: if low > 0.0 { 0.99 } else { 0.6 },
            rank: match id {
                "honesty" => 1,
                "care" => 2,
                "fairness" => 3,
                "law" => 4,
                "privacy" => 5,
                _ => 6,
            },
            sure: low > 0.0 || high < 0.0,
        };
    ValuesView {
        values: vec![
            value("honesty", "honesty", [0.92, 0.51, 1.33], [0.40, -0.60, 1.40]),
            value("care", "care for others", [0.55, 0.10, 1.00], [0.35, -0.65, 1.35]),
            value("fairness", "fairness", [0.20, -0.35, 0.75], [0.30, -0.70, 1.30]),
            value("privacy", "privacy", [-0.30, -0.85, 0.25], [0.05, -0.95, 1.05]),
            value("comfort", "comfort and convenience", [-0.62, -1.10, -0.14], [-0.10, -1.10, 0.90]),
            value("law", "respect for law", [0.12, -0.50, 0.74], [0.25, -0.75, 1.25]),
        ],
        answers: 12,
        statements: 1,
    }
}

pub(crate) fn person() -> PersonView {
    PersonView {
        consistency: Some(0.84),
        low_signal: 0.07,
        lapse_rate: 0.05,
        trust_in_model: 0.71,
        from_documents: None,
    }
}

pub(crate) fn moved() -> MovedView {
    let change = |id: &str, name: &str, mean_change, width_change| ValueChange {
        id: id.to_owned(),
        name: name.to_owned(),
        mean_change,
        width_change,
    };
    MovedView {
        seq: 42,
        said: "you chose: tell your friend what you heard".to_owned(),
        predicted: Some(0.81),
        changes: vec![
            change("honesty", "honesty", 0.14, -0.12),
            change("comfort", "comfort and convenience", -0.09, -0.05),
            change("privacy", "privacy", -0.06, -0.03),
            change("fairness", "fairness", 0.001, -0.001),
        ],
        values: values(),
        person: person(),
    }
}

pub(crate) fn why() -> WhyView {
    WhyView {
        text: "Your answer would tell most about how honesty weighs against comfort, where your answers so far point both ways."
            .to_owned(),
        gain_nats: 0.21,
        predicted: vec![0.62, 0.10, 0.28],
        values: vec![
            Contribution { name: "honesty".to_owned(), contribution: 0.81, sd: 0.30 },
            Contribution { name: "comfort and convenience".to_owned(), contribution: -0.44, sd: 0.25 },
            Contribution { name: "respect for law".to_owned(), contribution: 0.10, sd: 0.20 },
        ],
        candidates: 112,
    }
}

pub(crate) fn summary() -> SummaryView {
    SummaryView {
        reason: "every question of the bank was answered".to_owned(),
        answers: 12,
        statements: 1,
        values: values(),
        unsure: vec!["fairness".to_owned(), "privacy".to_owned(), "respect for law".to_owned()],
        person: person(),
        log_loss: Some(0.512),
        page: Box::new(page()),
        log: "evidence/log.jsonl".to_owned(),
    }
}

pub(crate) fn page() -> PageView {
    PageView {
        predicted: Some(PredictedView {
            answers: 12,
            log_loss: 0.512,
            log_loss_uniform: 1.0986,
            log_loss_constant: 0.83,
            gain_in_errors: Some(2.4),
        }),
        surprises: vec![SurpriseView {
            seq: 31,
            said: "chose \"keep the money\" over \"hand it in\"".to_owned(),
            predicted: 0.11,
        }],
        open: vec![OpenView {
            id: "fairness".to_owned(),
            name: "fairness".to_owned(),
            questions: vec![
                "Two friends ask you to settle a bet. Would you rather \"split it\" or \"pay the winner\"?".to_owned(),
            ],
        }],
    }
}

pub(crate) fn opened() -> OpenedView {
    OpenedView { name: "ada".to_owned(), values: values(), person: person() }
}

pub(crate) fn progress() -> Progress {
    Progress { what: "reading alternatives".to_owned(), done: 120, total: 300 }
}

pub(crate) fn confirm() -> ConfirmView {
    ConfirmView {
        text: "Honesty matters more to you than comfort: right?".to_owned(),
        others: vec!["Comfort matters more to you than honesty".to_owned()],
    }
}

pub(crate) fn one_of_each() -> Vec<Shown> {
    vec![
        Shown::Opened(opened()),
        Shown::Progress(progress()),
        Shown::Question(question()),
        Shown::Question(portrait()),
        Shown::Question(best_and_worst()),
        Shown::Moved(moved()),
        Shown::Why(why()),
        Shown::Values(values()),
        Shown::Notice { text: "the model was read again".to_owned() },
        Shown::Problem { text: "\"honnesty\" is no value: try honesty".to_owned() },
        Shown::Confirm(confirm()),
        Shown::Summary(summary()),
    ]
}
