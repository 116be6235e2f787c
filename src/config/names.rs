//! Finding what a misspelt name was meant to be.

/// Farther apart than this, two names are not a slip of the pen
/// (registry.md, "Loading").
const SLIP: usize = 2;

/// Likeness from which a name is suggested although it is no slip.
const ALIKE: f64 = 0.9;

/// The name of `known` that `name` is a slip of the pen away from: at most two
/// edits, and fewer than half of its letters (`tier` is no misspelt `type`).
pub(super) fn misspelt<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(name, candidate), candidate))
        .filter(|&(distance, candidate)| distance <= SLIP && distance * 2 < candidate.len())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// The name of `known` that `name` most likely stands for: a slip of the pen,
/// or one that reads much the same.
pub(crate) fn nearest<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    misspelt(name, known.clone()).or_else(|| {
        known
            .into_iter()
            .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
            .filter(|&(likeness, _)| likeness >= ALIKE)
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, candidate)| candidate)
    })
}

/// Whether two names are the same but for their digits: `db1` and `db2` are two
/// things, not one of them misspelt.
pub(super) fn digits_aside(a: &str, b: &str) -> bool {
    let letters = |name: &str| name.replace(|c: char| c.is_ascii_digit(), "");
    letters(a) == letters(b)
}

/// `a`, `b` or `c`.
pub(super) fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 5] = ["type", "user", "restart_cmd", "health_check", "dependencies"];

    #[test]
    fn two_edits_or_a_swap_are_a_slip() {
        assert_eq!(misspelt("restrat_cmd", KEYS), Some("restart_cmd"));
        assert_eq!(misspelt("restartcmd", KEYS), Some("restart_cmd"));
        assert_eq!(misspelt("tpye", KEYS), Some("type"));
        assert_eq!(misspelt("healtcheck", KEYS), Some("health_check"));
    }

    #[test]
    fn half_of_a_short_word_is_another_word() {
        assert_eq!(misspelt("tier", KEYS), None);
        assert_eq!(misspelt("tags", KEYS), None);
    }

    #[test]
    fn a_longer_form_is_suggested() {
        assert_eq!(misspelt("restart_command", KEYS), None);
        assert_eq!(nearest("restart_command", KEYS), Some("restart_cmd"));
        assert_eq!(nearest("notes", KEYS), None);
    }
}
