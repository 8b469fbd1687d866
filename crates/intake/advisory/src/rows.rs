//! What the file says of one package, read back.

use crate::layout::Cursor;
use crate::order::Scheme;
use crate::severity::Severity;

/// One advisory on the package.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) advisory: u64,
    pub(crate) severity: Severity,
    pub(crate) scheme: Scheme,
    pub(crate) open_question: bool,
    pub(crate) intervals: Vec<Stretch<'a>>,
    pub(crate) versions: Vec<&'a str>,
}

#[derive(Debug)]
pub(crate) struct Stretch<'a> {
    /// Empty: from the first version on.
    pub(crate) from: &'a [u8],
    pub(crate) to: Until<'a>,
}

#[derive(Debug)]
pub(crate) enum Until<'a> {
    Open,
    Before(&'a [u8], &'a str),
    UpTo(&'a [u8]),
}

/// Reads the rows behind a package's name; `None` where they are cut off or nonsense.
pub(crate) fn read(bytes: &[u8]) -> Option<Vec<Row<'_>>> {
    let mut at = Cursor(bytes);
    rows(&mut at)
}

/// Whether a package's entry, from its ecosystem on, ends within the bytes.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    let mut at = Cursor(bytes);
    at.number().is_some() && at.bytes().is_some() && rows(&mut at).is_some()
}

fn rows<'a>(at: &mut Cursor<'a>) -> Option<Vec<Row<'a>>> {
    let count = at.number()?;
    let mut found = Vec::new();
    for _ in 0..count {
        found.push(row(at)?);
    }
    Some(found)
}

/// The rows of a package as bytes, each behind the number of its advisory; `None` where they are cut off or nonsense.
pub(crate) fn slices<'a>(at: &mut Cursor<'a>) -> Option<Vec<(u64, &'a [u8])>> {
    let count = at.number()?;
    let mut found = Vec::new();
    for _ in 0..count {
        let mut behind = Cursor(at.0);
        let advisory = behind.number()?;
        row(at)?;
        let length = behind.0.len().checked_sub(at.0.len())?;
        found.push((advisory, behind.0.get(..length)?));
    }
    Some(found)
}

fn row<'a>(at: &mut Cursor<'a>) -> Option<Row<'a>> {
    const SEVERITIES: [Severity; 7] = [
        Severity::Unrated,
        Severity::Notice,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
        Severity::Malicious,
    ];
    let advisory = at.number()?;
    let severity = *SEVERITIES.get(usize::from(at.byte()?))?;
    let scheme = Scheme::all().nth(usize::from(at.byte()?))?;
    let open_question = at.byte()? != 0;
    let mut row =
        Row { advisory, severity, scheme, open_question, intervals: Vec::new(), versions: Vec::new() };
    for _ in 0..at.number()? {
        let from = at.bytes()?;
        let to = match at.byte()? {
            0 => Until::Open,
            1 => Until::Before(at.bytes()?, at.text()?),
            2 => Until::UpTo(at.bytes()?),
            _ => return None,
        };
        row.intervals.push(Stretch { from, to });
    }
    for _ in 0..at.number()? {
        row.versions.push(at.text()?);
    }
    Some(row)
}
