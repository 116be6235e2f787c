//! Just enough of the shell's grammar to warn about commands that leave
//! something running with vai's own stream still open.

/// What a command leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeftOpen {
    /// Both of its outputs.
    Both,
    /// Standard output only.
    Output,
    /// Standard error only.
    Errors,
}

/// Whether `command` sends something to the background (`&`) without
/// redirecting both of its outputs: the engine then keeps the command's stream
/// open for as long as that lives.
pub(super) fn left_open(command: &str) -> Option<LeftOpen> {
    let mut job = Job::default();
    let mut depth = 0usize;
    let mut rest = command;
    while let Some(first) = rest.chars().next() {
        let taken = token_length(rest);
        let token = &rest[..taken];
        match token {
            "(" | "{" => depth += 1,
            ")" | "}" => depth = depth.saturating_sub(1),
            "&" => {
                if let Some(open) = job.left_open() {
                    return Some(open);
                }
                job = Job::default();
            }
            "&&" | "||" | ";" | "\n" | "|" if depth == 0 => job = Job::default(),
            _ if first == '#' && job.at_word_start => return None,
            _ => job.see(token),
        }
        job.at_word_start = first.is_whitespace() || matches!(first, ';' | '&' | '(');
        rest = &rest[taken..];
    }
    None
}

/// The redirections seen so far in the command that is being read.
#[derive(Default)]
struct Job {
    output: bool,
    errors: bool,
    at_word_start: bool,
}

impl Job {
    fn see(&mut self, token: &str) {
        match token {
            "&>" | "&>>" | ">&" => (self.output, self.errors) = (true, true),
            ">" | ">>" | ">|" | "1>" | "1>>" | "1>|" => self.output = true,
            "2>" | "2>>" => self.errors = true,
            // Where the other one goes is where this one goes.
            "2>&1" => self.errors = self.output,
            "1>&2" | ">&2" => self.output = self.errors,
            _ => {}
        }
    }

    fn left_open(&self) -> Option<LeftOpen> {
        match (self.output, self.errors) {
            (true, true) => None,
            (true, false) => Some(LeftOpen::Errors),
            (false, true) => Some(LeftOpen::Output),
            (false, false) => Some(LeftOpen::Both),
        }
    }
}

/// The operators told apart, longest first.
const OPERATORS: [&str; 16] = [
    "2>&1", "1>&2", ">&2", "&>>", "1>>", "2>>", "1>|", "&>", ">&", ">>", ">|", "1>", "2>", "&&",
    "||", ">",
];

/// The length in bytes of the operator, quoted text or character that `text`
/// starts with.
pub(super) fn token_length(text: &str) -> usize {
    if let Some(operator) = OPERATORS.iter().find(|&&known| text.starts_with(known)) {
        return operator.len();
    }
    let mut letters = text.char_indices();
    let Some((_, first)) = letters.next() else {
        return 0;
    };
    match first {
        '\\' => 1 + letters.next().map_or(0, |(_, escaped)| escaped.len_utf8()),
        '\'' => text[1..].find('\'').map_or(text.len(), |end| end + 2),
        '"' => {
            let mut escaped = false;
            for (index, letter) in letters {
                match letter {
                    '"' if !escaped => return index + 1,
                    '\\' => escaped = !escaped,
                    _ => escaped = false,
                }
            }
            text.len()
        }
        _ => first.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirected_and_foreground_commands_are_fine() {
        for command in [
            "service redis-server restart",
            "/usr/local/bin/api >> /var/log/api.log 2>&1 &",
            "setsid worker &> /dev/null < /dev/null &",
            "a >/dev/null 2>/dev/null &",
            "(a; b) > log 2>&1 & echo started",
            "a && b || c",
            "echo 'a & b'",
            "echo \"a \\\" & b\"",
            "echo a \\& b",
            "cmd 2>&1 | tee log",
            "true # then a &",
        ] {
            assert_eq!(left_open(command), None, "{command}");
        }
    }

    #[test]
    fn background_commands_that_keep_the_stream_are_found() {
        for (command, open) in [
            ("worker &", LeftOpen::Both),
            ("nohup worker & echo started", LeftOpen::Both),
            ("a > log 2>&1; worker &", LeftOpen::Both),
            ("worker > log &", LeftOpen::Errors),
            ("worker 2>&1 > log &", LeftOpen::Errors),
            ("worker 2> log &", LeftOpen::Output),
            ("(cd /srv; ./run) &", LeftOpen::Both),
            ("cd /srv && ./run&", LeftOpen::Both),
            ("worker 2>&1 | tee log &", LeftOpen::Both),
        ] {
            assert_eq!(left_open(command), Some(open), "{command}");
        }
    }
}
