//! JSON in which no key stands twice: whoever shows them and whoever acts on them could take different ones.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// An object, for `#[serde(deserialize_with)]`.
///
/// # Errors
/// Another value than an object; a key that stands twice, at any depth.
pub fn arguments<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    match (Unique).deserialize(deserializer)? {
        Value::Object(map) => Ok(map),
        _ => Err(D::Error::custom("arguments must be a JSON object")),
    }
}

/// A text of JSON in which no key stands twice.
///
/// # Errors
/// A key that stands twice, at any depth, which is an error of data; a text that is no JSON, which is another.
pub fn value(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut text = serde_json::Deserializer::from_slice(text);
    let value = (Unique).deserialize(&mut text)?;
    text.end()?;
    Ok(value)
}

/// A value of JSON without a key that stands twice.
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Self)?;
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} stands twice")));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::value;
    use crate::Stated;

    #[test]
    fn a_text_is_read_whole_and_its_faults_are_told_apart() {
        assert_eq!(value(b" [1, {\"a\": null}] ").unwrap(), serde_json::json!([1, { "a": null }]));
        assert!(value(br#"{"a": {"b": 1, "b": 2}}"#).unwrap_err().is_data());
        for bad in [&b"{"[..], b"{} {}", b"\xff", b""] {
            let error = value(bad).unwrap_err();
            assert!(!error.is_data(), "{error}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_at_any_depth_and_everything_else_is_as_it_was() {
        let of =
            |arguments: &str| serde_json::from_str::<Stated>(&format!(r#"{{"tool": "t", "arguments": {arguments}}}"#));
        for bad in [r#"{"to": "bob", "to": "eve"}"#, r#"{"a": [{"b": 1, "b": 1}]}"#, r#"{"a": 1, "\u0061": 2}"#] {
            assert!(of(bad).unwrap_err().to_string().contains("stands twice"), "{bad}");
        }
        assert!(of("[]").is_err() && of("null").is_err());
        let good = r#"{"a": [1, -2, 1.5, null, true, "x"], "b": {"a": {}}, "big": 18446744073709551615}"#;
        assert_eq!(of(good).unwrap().arguments, serde_json::from_str(good).unwrap());
    }
}
