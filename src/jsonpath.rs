//! JSONPath within bounds.
//!
//! Neither a registry nor an answer may cost more than they are worth: the
//! parser takes twice as long with every level of nesting, and a few `..` make
//! a small answer into millions of nodes. Both are counted before they are
//! begun, since nothing can interrupt them.

use serde_json::Value;
use serde_json_path::{JsonPath, NormalizedPath};

/// The longest path, in bytes.
const MAX_LENGTH: usize = 1024;

/// How deep brackets and parentheses may be nested.
const MAX_DEPTH: usize = 6;

/// How many nodes an evaluation may come by. A million take a fraction of a
/// second and some ten megabytes.
const MAX_STEPS: u64 = 2_000_000;

/// A regular expression is compiled for each node that it is tried on.
const REGEX_STEPS: u64 = 2000;

/// A path that is neither too long nor too deep.
pub(crate) struct BoundedPath {
    path: JsonPath,
    shape: Shape,
}

/// An evaluation of a path on a value would take too many steps.
#[derive(Debug, thiserror::Error)]
#[error("it would take more than {MAX_STEPS} steps in this answer")]
pub(crate) struct TooManySteps;

impl BoundedPath {
    /// Reads `text` as RFC 9535 says.
    ///
    /// # Errors
    /// What is wrong with it, or the bound that it is beyond.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("longer than {MAX_LENGTH} bytes"));
        }
        let shape = Shape::of(text);
        if shape.depth > MAX_DEPTH {
            return Err(format!("brackets nested more than {MAX_DEPTH} deep"));
        }
        let path = JsonPath::parse(text).map_err(|error| error.to_string())?;
        Ok(Self { path, shape })
    }

    /// The nodes of `value` that the path leads to.
    ///
    /// # Errors
    /// That could take too long.
    pub(crate) fn query<'v>(&self, value: &'v Value) -> Result<Vec<&'v Value>, TooManySteps> {
        self.admit(value)?;
        Ok(self.path.query(value).all())
    }

    /// Where these nodes are, as JSON pointers.
    ///
    /// # Errors
    /// That could take too long.
    pub(crate) fn places(&self, value: &Value) -> Result<Vec<String>, TooManySteps> {
        self.admit(value)?;
        let nodes = self.path.query_located(value);
        Ok(nodes.locations().map(NormalizedPath::to_json_pointer).collect())
    }

    fn admit(&self, value: &Value) -> Result<(), TooManySteps> {
        if self.shape.steps(value) > MAX_STEPS { Err(TooManySteps) } else { Ok(()) }
    }
}

/// What decides how much work a path is.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shape {
    depth: usize,
    /// Whether it leads to more than one node at all.
    is_plural: bool,
    /// How many `..` there are.
    descents: u32,
    /// Queries in filters that begin at the root, and may lead to many nodes:
    /// each is asked anew for every node.
    from_root: u32,
    /// Selectors side by side multiply what they are applied to.
    selectors: u64,
    has_regex: bool,
}

impl Shape {
    fn of(path: &str) -> Self {
        let mut shape = Self { selectors: 1, ..Self::default() };
        let mut commas: Vec<u64> = Vec::new();
        let code = without_strings(path);
        for (at, byte) in code.bytes().enumerate() {
            match byte {
                b'[' | b'(' => {
                    commas.push(0);
                    shape.depth = shape.depth.max(commas.len());
                }
                b']' | b')' => {
                    let beside = commas.pop().unwrap_or(0);
                    shape.selectors = shape.selectors.saturating_mul(beside + 1);
                }
                b',' => {
                    shape.is_plural = true;
                    if let Some(beside) = commas.last_mut() {
                        *beside += 1;
                    }
                }
                b'*' | b'?' | b':' => shape.is_plural = true,
                b'.' if code[at..].starts_with("..") => {
                    shape.is_plural = true;
                    shape.descents += 1;
                }
                b'$' if at > 0 && leads_to_many(&code[at..]) => shape.from_root += 1,
                _ => {}
            }
        }
        shape.has_regex = code.contains("match(") || code.contains("search(");
        shape
    }

    /// An upper bound of the nodes that an evaluation on `value` comes by.
    ///
    /// With `..` a node is reached once for each chain of its ancestors, one a
    /// descent; everything else reaches a node once for each of its parents.
    fn steps(&self, value: &Value) -> u64 {
        if !self.is_plural {
            return 1;
        }
        let (mut nodes, mut chains) = (0u64, 0u64);
        visit(value, 1, &mut |depth| {
            nodes += 1;
            chains = chains.saturating_add(depth.saturating_pow(self.descents));
        });
        let regex = if self.has_regex { REGEX_STEPS } else { 1 };
        chains
            .saturating_mul(nodes.saturating_pow(self.from_root))
            .saturating_mul(self.selectors)
            .saturating_mul(regex)
    }
}

/// Whether the query at the beginning of `code` may lead to more than one node.
fn leads_to_many(code: &str) -> bool {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'[' | b'(' => depth += 1,
            b']' | b')' if depth == 0 => return false,
            b']' | b')' => depth -= 1,
            b'*' | b'?' | b':' => return true,
            b'.' if code[at..].starts_with("..") => return true,
            _ => {}
        }
    }
    false
}

/// `path` with a space in place of every byte within quotes.
fn without_strings(path: &str) -> String {
    let mut quote = None;
    let mut is_escaped = false;
    let blank = |c: char| {
        let Some(end) = quote else {
            quote = Some(c).filter(|c| matches!(c, '"' | '\''));
            return if c.is_ascii() { c } else { '_' };
        };
        if !is_escaped && c == end {
            quote = None;
        }
        is_escaped = !is_escaped && c == '\\';
        ' '
    };
    path.chars().map(blank).collect()
}

/// Calls `each` with the depth of every value in `value`, which is parsed JSON
/// and so no deeper than its parser goes.
fn visit(value: &Value, depth: u64, each: &mut impl FnMut(u64)) {
    each(depth);
    match value {
        Value::Array(items) => items.iter().for_each(|item| visit(item, depth + 1, each)),
        Value::Object(members) => {
            members.values().for_each(|member| visit(member, depth + 1, each));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_of_every_day_are_taken_and_found() {
        let body = json!({
            "status": "ok",
            "peers": [{"up": true, "tags": ["a", "b"], "load": 0.5}, {"up": true, "load": 2}],
            "limit": {"load": 1},
        });
        for (path, found) in [
            ("$.status", 1),
            ("$['status']", 1),
            ("$.peers[*].up", 2),
            ("$.peers[?@.load < $.limit.load].up", 1),
            ("$.peers[?(@.up && count(@.tags[?@ == 'a' || @ == ']]]]]]]']) == 1)].load", 1),
            ("$..load", 3),
            ("$..peers..up", 2),
            ("$.peers[?search(@.tags[0], '^[ab]$')]", 1),
            ("$.absent", 0),
        ] {
            let parsed = BoundedPath::parse(path).unwrap_or_else(|why| panic!("{path}: {why}"));
            let nodes = parsed.query(&body).unwrap_or_else(|why| panic!("{path}: {why}"));
            assert_eq!(nodes.len(), found, "{path}");
        }
    }

    #[test]
    fn a_path_that_is_too_deep_or_too_long_is_an_error() {
        for deep in [20, 2_000, 200_000] {
            for (open, close) in [("[?@", "]"), ("[?(@", ")]"), ("[?length(@", ") > 1]")] {
                let path = format!("${}{}", open.repeat(deep), close.repeat(deep));
                assert!(BoundedPath::parse(&path).is_err(), "{deep} {open}");
            }
        }
        assert!(BoundedPath::parse(&format!("$.{}", "a".repeat(1023))).is_err());
        assert!(BoundedPath::parse(&format!("$.{}", "a".repeat(1022))).is_ok());
    }

    #[test]
    fn an_evaluation_that_would_explode_is_not_begun() {
        let mut deep = json!([]);
        for _ in 0..100 {
            deep = json!([deep]);
        }
        for path in ["$..*..*..*..*..*..*..*..*", "$[?@..*..*..*..*..*]", "$..[*,*,*]..[*,*,*]..*"]
        {
            let parsed = BoundedPath::parse(path).unwrap();
            assert!(parsed.query(&deep).is_err(), "{path}");
        }
        let wide = Value::from(vec![0; 3000]);
        let from_root = BoundedPath::parse("$[?count($..*) > 0]").unwrap();
        assert!(from_root.query(&wide).is_err());
        let regex = BoundedPath::parse("$..[?search(@, '(a{1000}){1000}')]").unwrap();
        assert!(regex.query(&Value::from(vec!["a"; 10_000])).is_err());
        let flat = BoundedPath::parse("$..*").unwrap();
        assert_eq!(flat.query(&wide).unwrap().len(), 3000);
    }
}
