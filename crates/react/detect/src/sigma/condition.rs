//! A rule's `condition`: names of selections, `and`, `or`, `not`, parentheses, `1 of x*`, `all of them`.

/// How selections are joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Name(String),
    /// Of those that fit: all of them, or at least one.
    Of {
        all: bool,
        pattern: String,
    },
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
}

/// Parentheses and negations that may stand in each other.
const MAX_DEPTH: usize = 32;

impl Condition {
    /// # Errors
    /// Not such an expression, or it names what is not there: a sentence.
    pub(crate) fn parse(text: &str, names: &[&str]) -> Result<Self, String> {
        if text.contains('|') {
            return Err("aggregations behind `|` are deprecated: write a correlation".to_owned());
        }
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut reader = Reader { words: &words, at: 0, names };
        let condition = reader.either(0)?;
        match reader.peek() {
            None => Ok(condition),
            Some(word) => Err(format!("`{word}` stands where the condition should end")),
        }
    }

    pub(crate) fn holds(&self, names: &[&str], selection: &impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Name(name) => selection(name),
            Self::Of { all, pattern } => {
                let mut fitting = names.iter().filter(|name| fits(pattern, name));
                if *all { fitting.all(|name| selection(name)) } else { fitting.any(|name| selection(name)) }
            }
            Self::And(parts) => parts.iter().all(|part| part.holds(names, selection)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(names, selection)),
            Self::Not(part) => !part.holds(names, selection),
        }
    }
}

/// `them` is every selection that is not hidden by an underscore.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    match pattern {
        "them" => !name.starts_with('_'),
        pattern => crate::glob::covers(pattern, name),
    }
}

struct Reader<'a> {
    words: &'a [&'a str],
    at: usize,
    names: &'a [&'a str],
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    fn next(&mut self) -> Option<&'a str> {
        let word = self.peek()?;
        self.at += 1;
        Some(word)
    }

    fn is(&mut self, keyword: &str) -> bool {
        let is = self.peek().is_some_and(|word| word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(is);
        is
    }

    fn either(&mut self, depth: usize) -> Result<Condition, String> {
        let mut parts = vec![self.both(depth)?];
        while self.is("or") {
            parts.push(self.both(depth)?);
        }
        Ok(one_or(parts, Condition::Or))
    }

    fn both(&mut self, depth: usize) -> Result<Condition, String> {
        let mut parts = vec![self.single(depth)?];
        while self.is("and") {
            parts.push(self.single(depth)?);
        }
        Ok(one_or(parts, Condition::And))
    }

    fn single(&mut self, depth: usize) -> Result<Condition, String> {
        if depth > MAX_DEPTH {
            return Err("it is nested too deep".to_owned());
        }
        if self.is("not") {
            return Ok(Condition::Not(Box::new(self.single(depth + 1)?)));
        }
        let word = self.next().ok_or("it ends where a selection should stand")?;
        if word == "(" {
            let inner = self.either(depth + 1)?;
            return if self.next() == Some(")") {
                Ok(inner)
            } else {
                Err("a parenthesis is not closed".to_owned())
            };
        }
        let quantity = word.to_ascii_lowercase();
        if matches!(quantity.as_str(), "1" | "any" | "all") && self.is("of") {
            let pattern = self.next().ok_or("`of` is followed by nothing")?;
            if !self.names.iter().any(|name| fits(pattern, name)) {
                return Err(format!("no selection fits `{pattern}`"));
            }
            return Ok(Condition::Of { all: quantity == "all", pattern: pattern.to_owned() });
        }
        if self.names.contains(&word) {
            return Ok(Condition::Name(word.to_owned()));
        }
        Err(format!("`{word}` is not a selection of the rule"))
    }
}

fn one_or(mut parts: Vec<Condition>, join: impl FnOnce(Vec<Condition>) -> Condition) -> Condition {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            parts.push(last);
            join(parts)
        }
        (_, None) => join(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["selection", "filter_main", "filter_other", "_hidden", "keywords"];

    fn holds(text: &str, true_ones: &[&str]) -> bool {
        Condition::parse(text, NAMES).unwrap().holds(NAMES, &|name: &str| true_ones.contains(&name))
    }

    #[test]
    fn precedence_and_quantities() {
        for (text, true_ones, expected) in [
            ("selection", &["selection"][..], true),
            ("selection and not 1 of filter_*", &["selection"], true),
            ("selection and not 1 of filter_*", &["selection", "filter_other"], false),
            ("selection or keywords and filter_main", &["selection"], true),
            ("(selection or keywords) and filter_main", &["selection"], false),
            ("all of filter_*", &["filter_main"], false),
            ("all of filter_*", &["filter_main", "filter_other"], true),
            ("1 of them", &["_hidden"], false),
            ("any of them", &["keywords"], true),
            ("not not selection", &["selection"], true),
            ("NOT selection OR keywords", &[], true),
        ] {
            assert_eq!(holds(text, true_ones), expected, "{text} with {true_ones:?}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused_with_the_word() {
        let deep = "(".repeat(500);
        for (text, word) in [
            ("", "ends"),
            ("selection and", "ends"),
            ("selektion", "`selektion`"),
            ("(selection", "parenthesis"),
            ("selection)", "`)`"),
            ("1 of nothing*", "`nothing*`"),
            ("1 of", "nothing"),
            ("selection | count() > 5", "correlation"),
            ("selection keywords", "`keywords`"),
            (deep.as_str(), "deep"),
        ] {
            let error = Condition::parse(text, NAMES).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
