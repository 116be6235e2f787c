//! The HTML part of a mail.

use super::*;

fn html(notices: &[Notice]) -> String {
    composed(notices, EvidenceDetail::Full, 70).html()
}

#[test]
fn what_a_program_printed_stays_text() {
    let mut incident = redis();
    incident.reason = "answered \"<script>alert('1')</script>\" & more".to_owned();
    incident.evidence.log.push("</pre><img src=x onerror=alert(1)>".to_owned());
    let html = html(&[notice(incident, NoticeKind::Opened, 60)]);
    for raw in ["<script", "<img", "</pre><", "'1'"] {
        assert!(!html.contains(raw), "{raw} in {html}");
    }
    let shown = "answered &quot;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot; &amp; more";
    assert!(html.contains(shown), "{html}");
}

#[test]
fn nothing_is_fetched_from_anywhere() {
    let html = html(&[notice(redis(), NoticeKind::Opened, 60)]);
    for way in ["src=", "href=", "url(", "@import", "http"] {
        assert!(!html.contains(way), "{way} in {html}");
    }
}

#[test]
fn it_says_all_that_the_text_says() {
    let notices =
        [notice(redis(), NoticeKind::Opened, 60), notice(closed(worker()), NoticeKind::Opened, 60)];
    let message = composed(&notices, EvidenceDetail::Full, 900);
    let html = message.html().replace("&#39;", "'").replace("<br>", "");
    let ours = |c: char| "=-|: ".contains(c);
    for line in message.body.lines().filter(|line| !line.is_empty()) {
        // A word of a headline has a colour of its own, a command its own type.
        let said = line.trim_matches(ours);
        let said = ["More: ", "DOWN ", "RESOLVED "]
            .iter()
            .fold(said, |said, word| said.strip_prefix(word).unwrap_or(said));
        assert!(html.contains(said.split(": ").last().unwrap()), "{said} in {html}");
    }
}

#[test]
fn commands_are_code_and_an_odd_backtick_is_itself() {
    let mut incident = redis();
    incident.next = "mend the file; `vai validate` shows what is wrong".to_owned();
    incident.reason = "a ` alone".to_owned();
    let html = html(&[notice(incident, NoticeKind::Opened, 60)]);
    assert!(html.contains(">vai validate</code>"), "{html}");
    assert!(html.contains(">vai status redis</code>"), "{html}");
    assert!(html.contains("a ` alone"), "{html}");
}

#[test]
fn it_knows_light_and_dark() {
    let html = html(&[notice(redis(), NoticeKind::Opened, 60)]);
    assert!(html.contains("<meta name=\"color-scheme\" content=\"light dark\">"), "{html}");
    let dark = html.split("@media (prefers-color-scheme:dark)").nth(1).unwrap();
    let turned = dark.split("</style>").next().unwrap();
    let classes = html
        .match_indices("class=\"")
        .map(|(at, found)| html[at + found.len()..].split('"').next().unwrap());
    for class in classes {
        assert!(turned.contains(&format!(".{class}{{")), "{class} in {turned}");
    }
}

#[test]
fn a_whole_document() {
    insta::assert_snapshot!(html(&[notice(redis(), NoticeKind::Opened, 60)]));
}
