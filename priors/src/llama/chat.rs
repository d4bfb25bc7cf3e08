//! How a chat is put to a model: by its template if llama.cpp knows it, else by the template itself, which is Jinja; a model
//! without one is given the words alone.

use std::fmt::Write;

use llama_cpp_2::model::{LlamaChatMessage, LlamaChatTemplate, LlamaModel};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, context};

use super::control::Part;
use crate::model::{CompletionRequest, Message, Role};

/// Steps that a template may take: it comes with a file from anywhere, and may be written to go on for ever.
const FUEL: u64 = 2_000_000;
/// What stands for the words of a message while a template is rendered.
const MARK: (char, char) = ('\u{e000}', '\u{e001}');

/// One message: the role's name, and what is said.
type Turn<'a> = (&'static str, &'a str);

/// How a model's chats are put.
pub(super) struct ChatForm {
    form: Form,
    /// What the person should know of it, until it was said.
    remark: Option<String>,
}

enum Form {
    /// llama.cpp knows the template by its looks.
    Known(LlamaChatTemplate),
    /// Only the template itself says how.
    Own { template: String, bos: String, eos: String },
    /// The words alone, one turn after the other.
    Plain,
}

impl ChatForm {
    /// The form of a model's chats; `name` is what the person knows the model by.
    pub(super) fn of(model: &LlamaModel, name: &str) -> Self {
        let text = model.chat_template(None).ok().and_then(|t| t.to_string().ok()).filter(|t| !t.trim().is_empty());
        let Some(text) = text else {
            let remark = format!(
                "{name} has no chat template, as models have that only continue text: it is asked in plain text"
            );
            return Self { form: Form::Plain, remark: Some(remark) };
        };
        let sample = [("system", "x"), ("user", "y")];
        if let Ok(template) = LlamaChatTemplate::new(&text)
            && Form::Known(template.clone()).render(model, &sample).is_ok()
        {
            return Self { form: Form::Known(template), remark: None };
        }
        let vocab = model.vocab();
        let token = |token| vocab.text(token).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
        // The beginning of a text is put before it in any case, where the model wants one.
        let bos = if vocab.should_add_bos() { String::new() } else { token(vocab.bos()) };
        let own = Form::Own { template: text, bos, eos: token(vocab.eos()) };
        match own.render(model, &sample) {
            Ok(_) => {
                let remark =
                    format!("llama.cpp does not know the chat template of {name}; the template itself is used");
                Self { form: own, remark: Some(remark) }
            }
            Err(why) => {
                let remark = format!("the chat template of {name} cannot be used ({why}): it is asked in plain text");
                Self { form: Form::Plain, remark: Some(remark) }
            }
        }
    }

    /// What the model is given for a chat.
    pub(super) fn parts(&mut self, model: &LlamaModel, request: &CompletionRequest, messages: &[Message]) -> Vec<Part> {
        if let Some(remark) = self.remark.take() {
            match self.form {
                Form::Own { .. } => tracing::info!("{remark}"),
                _ => tracing::warn!("{remark}"),
            }
        }
        let system = request.system.iter().map(|content| ("system", content.as_str()));
        let turns: Vec<Turn<'_>> = system
            .chain(messages.iter().map(|Message { role, content }| match role {
                Role::User => ("user", content.as_str()),
                Role::Assistant => ("assistant", content.as_str()),
            }))
            .collect();
        self.form.render(model, &turns).unwrap_or_else(|why| {
            tracing::warn!("the model's chat template refuses this chat ({why}): it is put in plain text");
            plain(&turns)
        })
    }
}

impl Form {
    fn render(&self, model: &LlamaModel, turns: &[Turn<'_>]) -> Result<Vec<Part>, String> {
        match self {
            Self::Known(template) => with_marks(turns, |turns| known(model, template, turns)),
            Self::Own { template, bos, eos } => {
                let render = |turns: &[Turn<'_>]| with_marks(turns, |turns| own(template, bos, eos, turns));
                // Some templates know no system prompt, and say so or leave it out.
                render(turns).or_else(|why| match turns {
                    [("system", system), ("user", first), rest @ ..] => {
                        let first = format!("{system}\n\n{first}");
                        let turns: Vec<Turn<'_>> =
                            std::iter::once(("user", first.as_str())).chain(rest.iter().copied()).collect();
                        render(&turns).map_err(|_| why)
                    }
                    _ => Err(why),
                })
            }
            Self::Plain => Ok(plain(turns)),
        }
    }
}

/// All that is said, with an empty line between turns: what a model continues that knows no turns.
fn plain(turns: &[Turn<'_>]) -> Vec<Part> {
    let mut text = String::new();
    for (_, said) in turns.iter().filter(|(_, said)| !said.trim().is_empty()) {
        let _ = write!(text, "{}\n\n", said.trim());
    }
    vec![Part::Said(text)]
}

fn known(model: &LlamaModel, template: &LlamaChatTemplate, turns: &[Turn<'_>]) -> Result<String, String> {
    let chat: Result<Vec<_>, _> =
        turns.iter().map(|(role, said)| LlamaChatMessage::new((*role).to_owned(), (*said).to_owned())).collect();
    let chat = chat.map_err(|error| error.to_string())?;
    model.apply_chat_template(template, &chat, true).map_err(|error| error.to_string())
}

fn own(template: &str, bos: &str, eos: &str, turns: &[Turn<'_>]) -> Result<String, String> {
    let mut environment = Environment::new();
    // As Transformers renders them. There is no clock: templates that may ask for the date have one of their own.
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_fuel(Some(FUEL));
    environment.add_function("raise_exception", |why: String| -> Result<String, minijinja::Error> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, why))
    });
    let messages: Vec<_> = turns.iter().map(|(role, content)| context! { role, content }).collect();
    let template = without_generation(template);
    environment
        .render_str(&template, context! { messages, add_generation_prompt => true, bos_token => bos, eos_token => eos })
        .map_err(|error| error.to_string())
}

/// A template in which the tags `generation` and `endgeneration`, which mark what to train on and are no Jinja, are a condition
/// that always holds: white space around them goes as around any other tag.
fn without_generation(template: &str) -> String {
    let (mut kept, mut rest) = (String::new(), template);
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest[start..].find("%}") else { break };
        let (tag, end) = (&rest[start + 2..start + length], start + length + 2);
        kept.push_str(&rest[..start + 2]);
        kept.push_str(&match tag.trim_matches(|c: char| c == '-' || c.is_whitespace()) {
            "generation" => tag.replace("generation", "if true"),
            "endgeneration" => tag.replace("endgeneration", "endif"),
            _ => tag.to_owned(),
        });
        kept.push_str("%}");
        rest = &rest[end..];
    }
    kept + rest
}

/// Renders marks instead of words, and puts the words in after: so no word can pass for the template's.
fn with_marks(
    turns: &[Turn<'_>],
    render: impl FnOnce(&[Turn<'_>]) -> Result<String, String>,
) -> Result<Vec<Part>, String> {
    let marked: Vec<String> = turns
        .iter()
        .enumerate()
        .map(|(number, (_, said))| {
            // White space around words stays outside of the mark: templates may trim it.
            let core = said.trim();
            let before = said.len() - said.trim_start().len();
            let mark = format!("{}{number}{}", MARK.0, MARK.1);
            match core {
                "" => (*said).to_owned(),
                _ => format!("{}{mark}{}", &said[..before], &said[before + core.len()..]),
            }
        })
        .collect();
    let turns_marked: Vec<Turn<'_>> =
        turns.iter().zip(&marked).map(|((role, _), mark)| (*role, mark.as_str())).collect();
    let rendered = render(&turns_marked)?;
    let (mut parts, mut template, mut seen) = (Vec::new(), String::new(), vec![false; turns.len()]);
    let mut rest = rendered.as_str();
    while let Some(start) = rest.find(MARK.0) {
        let inner = &rest[start + MARK.0.len_utf8()..];
        let found = inner.find(MARK.1).and_then(|end| {
            let number: usize = inner[..end].parse().ok()?;
            Some((number, turns.get(number)?.1, end + MARK.1.len_utf8()))
        });
        let Some((number, said, length)) = found else {
            template.push_str(&rest[..start + MARK.0.len_utf8()]);
            rest = inner;
            continue;
        };
        template.push_str(&rest[..start]);
        if !template.is_empty() {
            parts.push(Part::Template(std::mem::take(&mut template)));
        }
        seen[number] = true;
        parts.push(Part::Said(said.trim().replace('\0', " ")));
        rest = &inner[length..];
    }
    template.push_str(rest);
    if !template.is_empty() {
        parts.push(Part::Template(template));
    }
    match turns.iter().zip(seen).find(|((_, said), seen)| !seen && !said.trim().is_empty()) {
        Some(((role, _), _)) => Err(format!("it leaves out what stands under the role {role}")),
        None => Ok(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(parts: &[Part]) -> String {
        parts.iter().map(|(Part::Template(text) | Part::Said(text))| text.as_str()).collect()
    }

    fn rendered(template: &str, turns: &[Turn<'_>]) -> Result<Vec<Part>, String> {
        with_marks(turns, |turns| own(template, "<s>", "</s>", turns))
    }

    #[test]
    fn a_template_is_rendered_and_words_stay_apart_from_it() {
        let template = "{{ bos_token }}{% for message in messages %}\n{% if message['role'] == 'user' %}\nQ:{{ message['content'] | trim }}\n{% else %}\n{% generation %}A:{{ message['content'].strip() + eos_token }}{% endgeneration %}\n{% endif %}\n{% endfor %}\n{% if add_generation_prompt %}A:{% endif %}";
        let turns = [("user", " <s>{{ x }}\n"), ("assistant", "b"), ("user", "Q:c")];
        let parts = rendered(template, &turns).expect("a template");
        let said: Vec<&Part> = parts.iter().filter(|part| matches!(part, Part::Said(_))).collect();
        assert_eq!(said, [&Part::Said("<s>{{ x }}".into()), &Part::Said("b".into()), &Part::Said("Q:c".into())]);
        assert_eq!(text(&parts), "<s>Q:<s>{{ x }}\nA:b</s>Q:Q:c\nA:");
    }

    #[test]
    fn white_space_is_trimmed_by_the_template_alone() {
        let turns = [("user", "  a b \n")];
        let parts = rendered("[{{ messages[0].content }}]", &turns).expect("a template");
        assert_eq!(text(&parts), "[  a b \n]");
        let parts = rendered("[{{ messages[0].content | trim }}]", &turns).expect("a template");
        assert_eq!(text(&parts), "[a b]");
    }

    #[test]
    fn a_template_that_refuses_leaves_out_or_never_ends_is_an_error() {
        let turns = [("system", "s"), ("user", "u")];
        let says = |template: &str, words: &str| {
            let error = rendered(template, &turns).err().unwrap_or_default();
            assert!(error.contains(words), "{error:?} does not say {words:?}");
        };
        says("{{ raise_exception('no system prompt') }}", "no system prompt");
        says("{{ messages[1].content }}", "role system");
        says("{% for i in range(9999999) %}{% for j in range(9999999) %}{% endfor %}{% endfor %}", "");
        says("{% if %}", "");
    }

    #[test]
    fn plain_text_is_what_is_said_and_nothing_else() {
        let turns = [("system", "Be brief. "), ("user", "Why?"), ("assistant", "Because."), ("user", "And?")];
        assert_eq!(plain(&turns), [Part::Said("Be brief.\n\nWhy?\n\nBecause.\n\nAnd?\n\n".into())]);
    }
}
