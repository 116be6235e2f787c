//! Judgement: from check results to decisions.
