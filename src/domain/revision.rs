//! Revisions: the deployable states of an app's history.

use std::fmt;

use jiff::Timestamp;

use super::RevisionId;

/// A revision as others refer to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RevisionRef {
    /// Its identifier.
    pub id: RevisionId,
    /// What people call it, such as `7`; `None` until it has been looked up.
    pub label: Option<String>,
}

impl RevisionRef {
    /// What it is called in a sentence, such as `rev 7`.
    pub fn name(&self) -> String {
        revision_name(self.shown())
    }

    /// The label, or `?` where it is not known.
    pub fn shown(&self) -> &str {
        self.label.as_deref().unwrap_or("?")
    }
}

/// What two revisions are called beside each other: `rev 7→8` where both are numbers, else both names.
pub fn revision_names(from: Option<&RevisionRef>, to: Option<&RevisionRef>, arrow: &str) -> String {
    let name = |of: Option<&RevisionRef>| of.map_or_else(|| "-".to_owned(), RevisionRef::name);
    let (from, to) = (name(from), name(to));
    let to = match (from.starts_with(NUMBERED), to.strip_prefix(NUMBERED)) {
        (true, Some(number)) => number,
        _ => &to,
    };
    format!("{from}{arrow}{to}")
}

/// What stands before the number of a revision.
const NUMBERED: &str = "rev ";

/// What a revision is called in a sentence: `rev 7` and `rev 5 (was 3)` where its label is a number, else its label, such
/// as an image's tag or `family:41`.
pub fn revision_name(label: impl fmt::Display) -> String {
    let label = label.to_string();
    let number = label.split(' ').next().unwrap_or_default();
    let numbered = !number.is_empty() && number.chars().all(|digit| digit.is_ascii_digit());
    if numbered || label == "?" { format!("{NUMBERED}{label}") } else { label }
}

/// Whether a revision can be deployed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deployable {
    /// It can.
    Yes,
    /// It cannot; the text says why.
    No(String),
    /// The platform does not say.
    Unknown,
}

/// Whether a revision ever served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackRecord {
    /// A rollout of it finished.
    Served,
    /// Its rollout was cancelled, superseded or is not finished.
    Unfinished,
    /// There is no record.
    Unknown,
}

/// One revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Its identifier.
    pub id: RevisionId,
    /// What people call it, such as `7`.
    pub label: String,
    /// What changed, in the platform's words.
    pub description: String,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// Who made it.
    pub by: Option<String>,
    /// Whether it can be deployed again.
    pub deployable: Deployable,
    /// Whether it serves now.
    pub deployed: bool,
    /// Whether it is what the rollout in progress brings.
    pub incoming: bool,
    /// What it runs, such as a droplet's GUID.
    pub artifact: Option<String>,
    /// The label of the revision that it was made from by rolling back, where that is known.
    pub made_from: Option<String>,
    /// Whether it ever served.
    pub track_record: TrackRecord,
    /// How long it served, where that can be told.
    pub served: Option<jiff::SignedDuration>,
    /// When it served last, where the platform keeps a record of that.
    pub served_until: Option<Timestamp>,
    /// Why it was deployed, where somebody said so.
    pub note: Option<String>,
}

impl Revision {
    /// What it is called in a sentence, such as `rev 7`.
    pub fn name(&self) -> String {
        revision_name(&self.label)
    }
}

/// The revisions of one app, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Newest first.
    pub revisions: Vec<Revision>,
    /// Why there may be none, such as revisions being switched off.
    pub remark: Option<String>,
    /// Whether older ones exist that are not listed.
    pub truncated: bool,
}

/// What lived for as long as this is likely to have been well.
const LONG: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

/// The revision to go back to: the newest one before what runs or rolls that is known to have served and can be
/// deployed. The second value is `false` where there is no record that it served: then it is the newest that lived for
/// long, or else the one that lived longest. One whose rollout never finished is never meant.
///
/// With `rolling` the old side still serves and is the last good one. `None` where nothing earlier can be deployed.
pub fn last_good(revisions: &[Revision], rolling: bool) -> Option<(&Revision, bool)> {
    let can = |revision: &&Revision| !matches!(revision.deployable, Deployable::No(_));
    // A restart has the same revision on both sides.
    let alone = revisions.iter().filter(|one| one.deployed).count() == 1;
    let old = |one: &&Revision| {
        one.deployed && (alone || !one.incoming) && one.track_record != TrackRecord::Unfinished
    };
    if rolling && let Some(old) = revisions.iter().find(old) {
        return Some((old, true));
    }
    let at = revisions.iter().position(|one| one.deployed || (rolling && one.incoming))?;
    let (now, mut earlier) = revisions.get(at..)?.split_first()?;
    // What somebody went back from lies between what runs now and that which it was made from.
    let number = |label: &str| label.parse::<u64>().ok();
    if let Some(origin) = now.made_from.as_deref() {
        let reached = |one: &Revision| {
            let numbers = number(&one.label).zip(number(origin));
            one.label == origin || numbers.is_some_and(|(one, origin)| one <= origin)
        };
        let numbered = number(origin).is_some();
        let foreign = |one: &Revision| numbered && number(&one.label).is_none();
        let kept = earlier.iter().position(|one| reached(one) || foreign(one));
        earlier = &earlier[kept.unwrap_or(earlier.len())..];
    }
    // A roll back makes a twin of an older revision: going "back" to the twin would change nothing.
    let other = |one: &&Revision| {
        one.artifact.is_none() || one.artifact != now.artifact || !twins(one, now)
    };
    let served = |one: &&Revision| one.track_record == TrackRecord::Served;
    let mut good = earlier.iter().filter(can).filter(other).filter(served);
    // What served last is the way back, whatever its number: a newer one may have been left for it.
    let last = good.clone().rev().max_by_key(|one| one.served_until);
    let recorded = last.filter(|one| one.served_until.is_some());
    if let Some(good) = recorded.or_else(|| good.next()) {
        return Some((good, true));
    }
    let unknown = |one: &&Revision| one.track_record == TrackRecord::Unknown;
    let inferred = || earlier.iter().filter(can).filter(other).filter(unknown);
    let lived_long = inferred().find(|one| one.served.is_some_and(|served| served >= LONG));
    // Of several that lived equally long the newest one.
    let longest = || inferred().rev().max_by_key(|one| one.served);
    lived_long.or_else(longest).map(|one| (one, false))
}

/// Whether one of two revisions with the same artifact was made by rolling back to the other.
fn twins(one: &Revision, other: &Revision) -> bool {
    let made_from = |a: &Revision, b: &Revision| a.made_from.as_deref() == Some(b.label.as_str());
    made_from(one, other) || made_from(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(label: &str, track_record: TrackRecord) -> Revision {
        Revision {
            id: RevisionId::new(label),
            label: label.to_owned(),
            description: String::new(),
            created_at: None,
            by: None,
            deployable: Deployable::Yes,
            deployed: false,
            incoming: false,
            artifact: Some(label.to_owned()),
            made_from: None,
            track_record,
            served: None,
            served_until: None,
            note: None,
        }
    }

    fn goal(revisions: &[Revision], rolling: bool) -> Option<(&str, bool)> {
        last_good(revisions, rolling).map(|(one, known)| (one.label.as_str(), known))
    }

    #[test]
    fn the_old_side_of_a_rollout_is_the_last_good_one() {
        let mut list =
            [revision("8", TrackRecord::Unfinished), revision("7", TrackRecord::Unknown)];
        list[0].deployed = true;
        list[0].incoming = true;
        list[1].deployed = true;
        assert_eq!(goal(&list, true), Some(("7", true)));
    }

    #[test]
    fn unfinished_and_undeployable_ones_are_passed_over() {
        let mut list = [
            revision("5", TrackRecord::Served),
            revision("4", TrackRecord::Unfinished),
            revision("3", TrackRecord::Served),
            revision("2", TrackRecord::Served),
        ];
        list[0].deployed = true;
        list[2].deployable = Deployable::No("gone".to_owned());
        assert_eq!(goal(&list, false), Some(("2", true)));
    }

    #[test]
    fn without_a_record_it_is_only_inferred() {
        let mut list = [revision("2", TrackRecord::Unknown), revision("1", TrackRecord::Unknown)];
        list[0].deployed = true;
        assert_eq!(goal(&list, false), Some(("1", false)));
        list[1].deployable = Deployable::No("gone".to_owned());
        assert_eq!(goal(&list, false), None);
    }

    #[test]
    fn what_served_last_is_the_way_back() {
        // 3 came, was left for 2, and then 4 came: 2 served last.
        let mut list = ["4", "3", "2", "1"].map(|label| revision(label, TrackRecord::Served));
        list[0].deployed = true;
        let at = |hour: i64| Some(Timestamp::from_second(hour * 3_600).unwrap());
        (list[1].served_until, list[2].served_until, list[3].served_until) = (at(5), at(8), at(2));
        assert_eq!(goal(&list, false), Some(("2", true)));
    }

    #[test]
    fn what_failed_is_never_the_way_back() {
        // Good, then a crash, then fixed forward: the crash stands right below what runs.
        let mut list = [
            revision("5", TrackRecord::Served),
            revision("4", TrackRecord::Unfinished),
            revision("3", TrackRecord::Unknown),
        ];
        list[0].deployed = true;
        assert_eq!(goal(&list, false), Some(("3", false)));
        // Nothing is recorded: what lived for seconds is not preferred to what lived for days.
        list[1].track_record = TrackRecord::Unknown;
        list[1].served = Some(jiff::SignedDuration::from_secs(9));
        list[2].served = Some(jiff::SignedDuration::from_hours(140));
        assert_eq!(goal(&list, false), Some(("3", false)));
        list[2].served = Some(jiff::SignedDuration::from_secs(20));
        assert_eq!(goal(&list, false), Some(("3", false)));
        // An old side that never finished either is not what one goes back to.
        let mut chain = [
            revision("8", TrackRecord::Unfinished),
            revision("7", TrackRecord::Unfinished),
            revision("6", TrackRecord::Served),
        ];
        for one in &mut chain {
            one.deployed = true;
        }
        chain[0].incoming = true;
        assert_eq!(goal(&chain, true), Some(("6", true)));
    }

    /// Tags are no numbers: v2 came, was left for v1, and going back once more must not bring v2 again.
    #[test]
    fn what_was_left_by_a_tag_is_no_way_back() {
        let mut list = ["v1", "v2", "v1", "v0"].map(|label| revision(label, TrackRecord::Served));
        (list[0].deployed, list[0].made_from) = (true, Some("v1".to_owned()));
        assert_eq!(goal(&list, false), Some(("v0", true)));
    }

    #[test]
    fn the_twin_of_what_runs_is_no_way_back() {
        let mut list = [
            revision("4", TrackRecord::Served),
            revision("3", TrackRecord::Served),
            revision("2", TrackRecord::Served),
        ];
        list[0].deployed = true;
        list[0].made_from = Some("2".to_owned());
        list[0].artifact = Some("2".to_owned());
        // Somebody went back from 3 to 2, and 2 is what runs.
        assert_eq!(goal(&list, false), None);
        let mut older = list.to_vec();
        older.push(revision("1", TrackRecord::Served));
        assert_eq!(goal(&older, false), Some(("1", true)));
        // Where going back gives the old one a new number, there is no 2 any more, and 3 was left all the same.
        older.retain(|one| one.label != "2");
        assert_eq!(goal(&older, false), Some(("1", true)));
        older.pop();
        assert_eq!(goal(&older, false), None);
    }
}
