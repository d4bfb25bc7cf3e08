//! The words of plain statements: what compares, what turns round, what says how much, and what makes a sentence more than plain.

/// Words that make a sentence more than a plain statement.
pub(super) const BEYOND: &[&str] = &[
    "but",
    "although",
    "though",
    "however",
    "until",
    "without",
    "because",
    "used",
    "wish",
    "he",
    "she",
    "him",
    "her",
    "his",
    "others",
    "either",
    "neither",
    "nor",
    "only",
    "wrong",
    "worse",
    "sometimes",
    "depends",
    "apart",
    "if",
    "when",
    "unless",
];
/// Where a condition begins that ends the sentence.
pub(super) const EXCEPT: &[&str] = &[" except ", " unless ", " apart from "];
pub(super) const WHEN: &[&str] = &[" when it comes to ", " as long as ", " when ", " if "];
/// How a condition begins that begins the sentence and ends with a comma.
pub(super) const AT_FIRST: &[&str] = &["when ", "if ", "at work", "at home", "at school", "in public", "with "];
/// Ends of a sentence that only say how much.
pub(super) const BY_LITTLE: &[&str] = &[
    "but only slightly",
    "but only just",
    "but not by much",
    "but only a little",
    "but only a bit",
    "if only slightly",
];
/// Words of praise without measure: "Comfort is nice, but ...".
pub(super) const CONCEDED: &[&str] =
    &["nice", "good", "fine", "great", "like", "love", "enjoy", "important", "matters"];
/// Words that say that something is asked of people, or held up.
pub(super) const HELD_UP: &[&[&str]] = &[
    &["should"],
    &["shouldn't"],
    &["must"],
    &["mustn't"],
    &["deserves"],
    &["deserve"],
    &["believe", "in"],
    &["i", "admire"],
    &["i", "try", "to"],
];
/// Words that give up what follows them for what follows "for".
pub(super) const SWAPS: &[&str] = &["trade", "swap", "exchange", "sacrifice", "give"];
/// Words that turn a statement round.
pub(super) const NEGATIONS: &[&str] = &[
    "not",
    "shouldn't",
    "mustn't",
    "never",
    "no",
    "nobody",
    "nothing",
    "none",
    "hardly",
    "barely",
    "don't",
    "doesn't",
    "isn't",
    "aren't",
    "can't",
    "cannot",
    "won't",
    "wouldn't",
    "didn't",
    "wasn't",
    "little",
    "overrated",
];
/// Between the two sides of a comparison, the left one mattering more.
pub(super) const ABOVE: &[&[&str]] = &[
    &["at", "the", "cost", "of"],
    &["at", "the", "expense", "of"],
    &["instead", "of"],
    &["takes", "priority", "over"],
    &["takes", "precedence", "over"],
    &["comes", "before"],
    &["come", "before"],
    &["comes", "ahead", "of"],
    &["ahead", "of"],
    &["rather", "than"],
    &["outweighs"],
    &["outweigh"],
    &["outranks"],
    &["trumps"],
    &["beats"],
    &["above"],
    &["over"],
    &["before"],
    &["is", "worth", "more", "than"],
];
/// Of those, the ones that say it only after a verb of choosing, or where the sentence begins with the side.
pub(super) const ONLY_AFTER_CHOOSING: &[&str] =
    &["over", "above", "before", "ahead of", "rather than", "instead of", "at the cost of", "at the expense of"];
pub(super) const CHOOSING: &[&str] = &[
    "choose",
    "choosing",
    "go",
    "lean",
    "towards",
    "always",
    "pick",
    "put",
    "take",
    "prefer",
    "value",
    "rank",
    "place",
    "favour",
    "favor",
    "give",
    "rate",
    "want",
    "prioritise",
    "prioritize",
    "i'd",
    "pick",
];
/// Words that say that the left side of "more ... than" is about what matters.
pub(super) const IMPORTANCE: &[&str] = &[
    "matter",
    "matters",
    "important",
    "importance",
    "care",
    "value",
    "means",
    "mean",
    "counts",
    "count",
    "priority",
    "worth",
    "weighs",
    "prize",
    "cherish",
    "treasure",
    "essential",
    "vital",
    "crucial",
    "everything",
];
/// Words that say that what follows is not wanted.
pub(super) const DISLIKE: &[&[&str]] = &[
    &["hate"],
    &["dislike"],
    &["despise"],
    &["detest"],
    &["loathe"],
    &["can't", "stand"],
    &["cannot", "stand"],
    &["can't", "bear"],
    &["can't", "abide"],
];
/// Words that say: a little.
pub(super) const SLIGHT: &[&[&str]] = &[
    &["slightly"],
    &["a", "bit"],
    &["a", "little"],
    &["somewhat"],
    &["marginally"],
    &["a", "touch"],
    &["kind", "of"],
    &["sort", "of"],
    &["mostly"],
];
/// Words that say: very much.
pub(super) const STRONG: &[&[&str]] = &[
    &["far"],
    &["much"],
    &["way"],
    &["a", "lot"],
    &["lots"],
    &["very"],
    &["most"],
    &["extremely"],
    &["deeply"],
    &["hugely"],
    &["enormously"],
    &["absolutely"],
    &["always"],
    &["strongly"],
    &["above", "all"],
    &["any", "day"],
    &["every", "time"],
    &["at", "all"],
    &["by", "far"],
    &["everything"],
    &["hate"],
    &["despise"],
    &["vital"],
    &["essential"],
];
/// Sides of a comparison that stand for values in general.
pub(super) const EVERYTHING: &[&str] = &["anything", "everything", "most", "all", "else", "things", "other"];
/// Words that name nothing.
pub(super) const SMALL: &[&str] = &[
    "a", "an", "the", "i", "i'd", "i'm", "me", "my", "to", "for", "of", "in", "is", "are", "be", "being", "it", "it's",
    "that", "and", "than", "more", "less", "much", "far", "far", "does", "do", "about", "would", "rather", "think",
    "say", "with", "at", "on", "just", "really", "any", "day", "having", "getting", "keeping", "your", "one's", "own",
];
