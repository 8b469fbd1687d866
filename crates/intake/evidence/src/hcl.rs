//! HCL as Terraform writes it: blocks, their labels and their literal values. Expressions are kept as text, nothing is evaluated.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::CharIndices;

use linkward_model::Code;

use crate::Fault;

const MAX_DEPTH: usize = 64;

/// A block, or the file as a whole, which has neither kind nor labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    pub kind: String,
    pub labels: Vec<String>,
    pub line: usize,
    pub attributes: BTreeMap<String, Value>,
    pub blocks: Vec<Block>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(String),
    List(Vec<Value>),
    Object(BTreeMap<String, Value>),
    /// As it is written.
    Expression(String),
}

impl Value {
    /// Text without anything to evaluate.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Block {
    /// Blocks of a kind directly within this one.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Block> {
        self.blocks.iter().filter(move |block| block.kind == kind)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).and_then(Value::text)
    }
}

/// # Errors
/// Not HCL, cut off, or nested beyond the limit; the fault carries `code` and the line.
pub fn read(text: &str, code: Code) -> Result<Block, Fault> {
    let mut reader = Reader { text, at: text.char_indices().peekable(), line: 1, quotes: 0, code };
    let mut root = Block { line: 1, ..Block::default() };
    reader.body(&mut root, 0)?;
    Ok(root)
}

struct Reader<'a> {
    text: &'a str,
    at: Peekable<CharIndices<'a>>,
    line: usize,
    /// Expressions within quotes within expressions.
    quotes: usize,
    code: Code,
}

impl<'a> Reader<'a> {
    fn wrong(&self, what: &str) -> Fault {
        Fault::new(self.code, format!("line {}", self.line), what.to_owned())
    }

    fn peek(&mut self) -> Option<char> {
        self.at.peek().map(|(_, c)| *c)
    }

    fn offset(&mut self) -> usize {
        self.at.peek().map_or(self.text.len(), |(offset, _)| *offset)
    }

    fn rest(&mut self) -> &'a str {
        let offset = self.offset();
        self.text.get(offset..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<char> {
        let (_, c) = self.at.next()?;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|c| c != '\n') {
            self.next();
        }
    }

    /// Spaces and comments; line ends too where they mean nothing.
    fn space(&mut self, lines: bool) -> Result<(), Fault> {
        loop {
            let rest = self.rest();
            match self.peek() {
                Some('\n') if !lines => return Ok(()),
                Some(c) if c.is_whitespace() => {
                    self.next();
                }
                Some('#') => self.skip_line(),
                Some('/') if rest.starts_with("//") => self.skip_line(),
                Some('/') if rest.starts_with("/*") => {
                    let Some(length) = rest.find("*/") else {
                        return Err(self.wrong("ends within a comment"));
                    };
                    let end = self.offset() + length + 2;
                    while self.offset() < end {
                        self.next();
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) {
            word.push(c);
            self.next();
        }
        word
    }

    /// Attributes and blocks up to the closing brace, or the end of the file where nothing is open.
    fn body(&mut self, into: &mut Block, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("is nested too deep"));
        }
        loop {
            self.space(true)?;
            match self.peek() {
                None if depth == 0 => return Ok(()),
                None => return Err(self.wrong("ends within a block")),
                Some('}') if depth > 0 => {
                    self.next();
                    return Ok(());
                }
                Some(_) => self.statement(into, depth)?,
            }
        }
    }

    fn statement(&mut self, into: &mut Block, depth: usize) -> Result<(), Fault> {
        let line = self.line;
        let name = self.word();
        if name.is_empty() {
            return Err(self.wrong("has neither an attribute nor a block here"));
        }
        self.space(false)?;
        if self.peek() == Some('=') {
            self.next();
            let value = self.value(depth)?;
            into.attributes.insert(name, value);
            return Ok(());
        }
        let mut block = Block { kind: name, line, ..Block::default() };
        loop {
            self.space(false)?;
            match self.peek() {
                Some('{') => {
                    self.next();
                    break;
                }
                Some('"') => block.labels.push(self.quoted()?.0),
                Some(c) if c.is_alphanumeric() || c == '_' => block.labels.push(self.word()),
                _ => {
                    return Err(
                        self.wrong(&format!("`{}` is followed by neither `=` nor a block", block.kind))
                    );
                }
            }
        }
        self.body(&mut block, depth + 1)?;
        into.blocks.push(block);
        Ok(())
    }

    /// A literal where it is one, else the text up to where it ends.
    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("is nested too deep"));
        }
        self.space(false)?;
        let (from, mark) = (self.at.clone(), self.line);
        let start = self.offset();
        let literal = match self.peek() {
            Some('"') => {
                let (text, plain) = self.quoted()?;
                plain.then_some(Value::Text(text))
            }
            Some('<') if self.rest().starts_with("<<") => return self.heredoc().map(Value::Text),
            Some('[') => self.list(depth)?,
            Some('{') => self.object(depth)?,
            None => return Err(self.wrong("ends before a value")),
            _ => None,
        };
        if let Some(value) = literal {
            self.space(false)?;
            if matches!(self.peek(), None | Some('\n' | ',' | ']' | '}' | ')')) {
                return Ok(value);
            }
        }
        (self.at, self.line) = (from, mark);
        self.expression()?;
        let end = self.offset();
        Ok(Value::Expression(self.text.get(start..end).unwrap_or_default().trim().to_owned()))
    }

    /// `"..."`, and whether nothing in it has to be evaluated.
    fn quoted(&mut self) -> Result<(String, bool), Fault> {
        self.next();
        let (mut text, mut plain) = (String::new(), true);
        loop {
            match self.next() {
                None | Some('\n') => return Err(self.wrong("ends within quotes")),
                Some('"') => return Ok((text, plain)),
                Some('\\') => match self.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(c) => text.push(c),
                    None => return Err(self.wrong("ends within quotes")),
                },
                Some(c @ ('$' | '%')) if self.peek() == Some('{') => {
                    plain = false;
                    text.push(c);
                    self.balanced(&mut text)?;
                }
                Some(c) => text.push(c),
            }
        }
    }

    /// From an opening bracket to the one that closes it, quotes within it included. Brackets are counted; only quotes
    /// within quotes are calls within calls.
    fn balanced(&mut self, into: &mut String) -> Result<(), Fault> {
        self.quotes += 1;
        if self.quotes > MAX_DEPTH {
            return Err(self.wrong("is nested too deep"));
        }
        let mut open = 0usize;
        loop {
            let Some(c) = self.peek() else { return Err(self.wrong("ends within brackets")) };
            match c {
                '"' => {
                    self.raw_quotes(into)?;
                    continue;
                }
                '[' | '{' | '(' => open += 1,
                ']' | '}' | ')' => open = open.saturating_sub(1),
                _ => {}
            }
            into.push(c);
            self.next();
            if open == 0 {
                self.quotes -= 1;
                return Ok(());
            }
        }
    }

    /// Quotes within an expression, whatever they hold.
    fn raw_quotes(&mut self, into: &mut String) -> Result<(), Fault> {
        into.extend(self.next());
        loop {
            let Some(c) = self.next() else { return Err(self.wrong("ends within quotes")) };
            into.push(c);
            match c {
                '\\' => into.extend(self.next()),
                '$' | '%' if self.peek() == Some('{') => self.balanced(into)?,
                '"' => return Ok(()),
                _ => {}
            }
        }
    }

    /// Up to the end of the line, or of what it stands in.
    fn expression(&mut self) -> Result<(), Fault> {
        let mut passed = String::new();
        loop {
            match self.peek() {
                None | Some('\n' | ',' | ']' | '}' | ')' | '#') => return Ok(()),
                Some('"') => self.raw_quotes(&mut passed)?,
                Some('[' | '{' | '(') => self.balanced(&mut passed)?,
                Some('/') if self.rest().starts_with("//") => return Ok(()),
                Some(_) => {
                    self.next();
                }
            }
            passed.clear();
        }
    }

    /// `None` where it is no list of values, such as a `for`.
    fn list(&mut self, depth: usize) -> Result<Option<Value>, Fault> {
        self.next();
        let mut items = Vec::new();
        loop {
            self.space(true)?;
            match self.peek() {
                None => return Err(self.wrong("ends within a list")),
                Some(']') => {
                    self.next();
                    return Ok(Some(Value::List(items)));
                }
                Some(',') => {
                    self.next();
                }
                Some(_) => {
                    let before = self.offset();
                    items.push(self.value(depth + 1)?);
                    if self.offset() == before {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Option<Value>, Fault> {
        self.next();
        let mut members = BTreeMap::new();
        loop {
            self.space(true)?;
            let name = match self.peek() {
                None => return Err(self.wrong("ends within braces")),
                Some('}') => {
                    self.next();
                    return Ok(Some(Value::Object(members)));
                }
                Some(',') => {
                    self.next();
                    continue;
                }
                Some('"') => self.quoted()?.0,
                Some(_) => self.word(),
            };
            self.space(false)?;
            if name.is_empty() || !matches!(self.peek(), Some('=' | ':')) {
                return Ok(None);
            }
            self.next();
            let value = self.value(depth + 1)?;
            members.insert(name, value);
        }
    }

    fn heredoc(&mut self) -> Result<String, Fault> {
        let rest = self.rest();
        let head = rest.lines().next().unwrap_or_default();
        let end = head.trim_start_matches('<').trim_start_matches('-').trim();
        self.skip_line();
        self.next();
        let mut text = String::new();
        loop {
            let line = self.rest().lines().next().unwrap_or_default();
            if self.peek().is_none() {
                return Err(self.wrong(&format!("ends within the text that `{end}` closes")));
            }
            self.skip_line();
            if line.trim() == end {
                return Ok(text);
            }
            self.next();
            text.push_str(line);
            text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(text: &str) -> Block {
        read(text, Code::LockfileMalformed).unwrap()
    }

    #[test]
    fn blocks_labels_and_literals() {
        let root = good(
            "# a\nmodule \"net\" { // b\n  source = \"x/y/z\" # c\n  version = \"1.0\"\n  list = [\"a\",\n \"b\", var.c]\n}\n\
             terraform {\n  required_providers {\n    aws = { source = \"hashicorp/aws\", version = \"~> 5\" }\n  }\n}\n/* x\n} */\n\
             resource aws_s3 \"b\" {\n  text = <<-EOT\n    } not the end\n  EOT\n  name = \"${var.a}-${f(\"x}\")}\"\n  n = a ? 1 : 2\n  m = { for k, v in x : k => v }\n}\n",
        );
        let module = root.of("module").next().unwrap();
        assert_eq!((module.line, module.labels.as_slice()), (2, ["net".to_owned()].as_slice()));
        assert_eq!(module.text("source"), Some("x/y/z"));
        assert!(matches!(&module.attributes["list"], Value::List(items) if items.len() == 3));
        let providers = root.of("terraform").next().unwrap().of("required_providers").next().unwrap();
        assert!(
            matches!(&providers.attributes["aws"], Value::Object(of) if of["version"].text() == Some("~> 5"))
        );
        let resource = root.of("resource").next().unwrap();
        assert_eq!(resource.labels, ["aws_s3", "b"]);
        assert!(resource.text("text").unwrap().contains("} not the end"));
        assert_eq!(resource.text("name"), None, "it has to be evaluated");
        assert!(matches!(&resource.attributes["n"], Value::Expression(text) if text == "a ? 1 : 2"));
        assert!(matches!(&resource.attributes["m"], Value::Expression(_)));
    }

    #[test]
    fn what_is_cut_off_names_its_line() {
        let deep = "a {\n".repeat(100);
        let lists = format!("a = {}", "[".repeat(100_000));
        let quotes = format!("a = {}", "\"${".repeat(100_000));
        for (bad, line) in [
            ("a {\n b = 1\n", "line 3"),
            ("a = \"x\n", "line 2"),
            ("a = <<E\nx\n", "line 3"),
            ("a = [1,\n", "line 2"),
            ("a = {\n", "line 2"),
            ("a\n", "line 1"),
            ("}\n", "line 1"),
            ("/* \n", "line 1"),
            ("a = ", "line 1"),
            (deep.as_str(), "line 65"),
            (lists.as_str(), "line 1"),
            (quotes.as_str(), "line 1"),
        ] {
            let fault = read(bad, Code::LockfileMalformed).unwrap_err();
            assert_eq!(fault.place, line, "{}: {fault}", bad.chars().take(20).collect::<String>());
        }
    }
}
