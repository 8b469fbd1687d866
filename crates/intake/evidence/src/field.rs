//! A cursor over a JSON document that remembers its place, so that every fault can name it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_model::Code;
use serde_json::{Map, Value};

use crate::Fault;

/// A value and the path that led to it.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    place: String,
    value: &'a Value,
}

impl<'a> Field<'a> {
    pub(crate) fn root(value: &'a Value) -> Self {
        Self { place: "$".to_owned(), value }
    }

    pub(crate) fn at(place: &str, value: &'a Value) -> Self {
        Self { place: place.to_owned(), value }
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    pub(crate) fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::field(&self.place, message)
    }

    /// The member of that name; absent and null are the same, as protobuf JSON has it.
    pub(crate) fn optional(&self, name: &str) -> Option<Field<'a>> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Field { place: format!("{}.{name}", self.place), value })
    }

    pub(crate) fn required(&self, name: &str) -> Result<Field<'a>, Fault> {
        self.optional(name).ok_or_else(|| self.fault(format!("has no `{name}`")))
    }

    pub(crate) fn object(&self) -> Result<&'a Map<String, Value>, Fault> {
        self.value.as_object().ok_or_else(|| self.fault("must be an object"))
    }

    pub(crate) fn items(&self) -> Result<Vec<Field<'a>>, Fault> {
        let items = self.value.as_array().ok_or_else(|| self.fault("must be a list"))?;
        let field = |(index, value)| Field { place: format!("{}[{index}]", self.place), value };
        Ok(items.iter().enumerate().map(field).collect())
    }

    /// The list of that name; an absent one is empty.
    pub(crate) fn list(&self, name: &str) -> Result<Vec<Field<'a>>, Fault> {
        self.optional(name).map_or_else(|| Ok(Vec::new()), |field| field.items())
    }

    pub(crate) fn text(&self) -> Result<&'a str, Fault> {
        self.value.as_str().ok_or_else(|| self.fault("must be a string"))
    }

    pub(crate) fn base64(&self) -> Result<Vec<u8>, Fault> {
        STANDARD.decode(self.text()?).map_err(|error| {
            Fault::new(Code::MalformedBase64, &self.place, format!("is not base64: {error}"))
        })
    }

    /// A 64-bit number, as protobuf JSON writes it: in quotes or not.
    pub(crate) fn integer(&self) -> Result<i64, Fault> {
        let parsed = match self.value {
            Value::String(text) => text.parse().ok(),
            other => other.as_i64(),
        };
        parsed.ok_or_else(|| self.fault("must be a whole number"))
    }

    pub(crate) fn index(&self) -> Result<u64, Fault> {
        u64::try_from(self.integer()?).map_err(|_| self.fault("must not be negative"))
    }

    pub(crate) fn optional_text(&self, name: &str) -> Result<Option<&'a str>, Fault> {
        self.optional(name).map(|field| field.text()).transpose()
    }
}
