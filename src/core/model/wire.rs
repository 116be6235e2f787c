//! How the parts of a check cross the stream to an agent.
//!
//! This is the one place where secrets are written out. Nothing else may
//! serialise what holds them.

use super::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// # Errors
/// Those of `to`.
pub fn serialize<S: Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
    secret.expose().serialize(to)
}

/// # Errors
/// Those of `from`.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    Ok(Secret::from(String::deserialize(from)?.as_str()))
}

/// One that may be missing.
pub mod option {
    use super::*;

    /// # Errors
    /// Those of `to`.
    pub fn serialize<S: Serializer>(secret: &Option<Secret>, to: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::expose).serialize(to)
    }

    /// # Errors
    /// Those of `from`.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map(|text| Secret::from(text.as_str())))
    }
}

/// Several, by name.
pub mod pairs {
    use super::*;

    /// # Errors
    /// Those of `to`.
    pub fn serialize<S: Serializer>(pairs: &[(String, Secret)], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(pairs.iter().map(|(name, value)| (name, value.expose())))
    }

    /// # Errors
    /// Those of `from`.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<(String, Secret)>, D::Error> {
        let pairs = Vec::<(String, String)>::deserialize(from)?;
        Ok(pairs.into_iter().map(|(name, value)| (name, Secret::from(value.as_str()))).collect())
    }
}

/// JSON by name, as text: a parser between the two ends would round numbers.
pub mod json {
    use super::super::json;
    use super::*;
    use serde::de::Error;
    use serde_json::Value;

    /// # Errors
    /// Those of `to`.
    pub fn serialize<S: Serializer>(pairs: &[(String, Value)], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(pairs.iter().map(|(name, value)| (name, json::text(value))))
    }

    /// # Errors
    /// Those of `from`.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<(String, Value)>, D::Error> {
        let pairs = Vec::<(String, String)>::deserialize(from)?;
        let read = |(name, text): (String, String)| {
            json::parse(&text).map(|value| (name, value)).map_err(D::Error::custom)
        };
        pairs.into_iter().map(read).collect()
    }
}
