//! Which entries fire in each row of a training batch.

use rayon::prelude::*;

use crate::autoencoder::{best_of, keep_best, score};
use crate::gradient::Item;
use crate::settings::{Kind, Settings};

/// What is known about the entries when a batch is selected.
pub(crate) struct Entries<'a> {
    /// Price of each entry, in squared units of the scaled states.
    pub(crate) prices: &'a [f32],
    /// Threshold of each entry (JumpReLU).
    pub(crate) thresholds: &'a [f32],
    /// The entries that count as dead.
    pub(crate) dead: &'a [usize],
}

/// What takes part in each row, levels rising; `pre` is `rows x width`.
pub(crate) fn select(settings: &Settings, pre: &[f32], entries: &Entries<'_>) -> Vec<Vec<Item>> {
    let prefixes = settings.prefixes();
    let level = |entry: usize| prefixes.partition_point(|end| *end <= entry);
    let width = settings.width;
    let mut items: Vec<Vec<Item>> = match &settings.kind {
        Kind::TopK => pre
            .par_chunks_exact(width)
            .map(|row| {
                let best = best_of(row, entries.prices, settings.k);
                best.into_iter().map(|entry| Item { entry, value: row[entry], level: 0 }).collect()
            })
            .collect(),
        Kind::BatchTopK | Kind::Matryoshka { .. } => {
            let mut ranked: Vec<(f32, usize)> = Vec::new();
            for (row, values) in pre.chunks_exact(width).enumerate() {
                let all = values.iter().zip(entries.prices).enumerate().filter(|(_, (z, _))| **z > 0.0);
                ranked.extend(all.map(|(entry, (z, price))| (score(*z, *price), row * width + entry)));
            }
            let rows = pre.len() / width;
            keep_best(&mut ranked, settings.k * rows);
            let mut items = vec![Vec::new(); rows];
            for (_, at) in ranked {
                let entry = at % width;
                items[at / width].push(Item { entry, value: pre[at], level: level(entry) });
            }
            items
        }
        Kind::JumpRelu { bandwidth, .. } => pre
            .par_chunks_exact(width)
            .map(|row| {
                let near = row.iter().zip(entries.thresholds).enumerate();
                near.filter(|(_, (z, threshold))| **z > 0.0 && **z > **threshold - 0.5 * bandwidth)
                    .map(|(entry, (z, threshold))| Item {
                        entry,
                        value: if z > threshold { *z } else { 0.0 },
                        level: 0,
                    })
                    .collect()
            })
            .collect(),
    };
    items.iter_mut().for_each(|row| row.sort_unstable_by_key(|item| item.entry));
    if settings.revival > 0.0 && !entries.dead.is_empty() {
        items.par_iter_mut().zip(pre.par_chunks_exact(width)).for_each(|(items, row)| {
            revive(items, row, entries.dead, settings.revival_k, prefixes.len());
        });
    }
    items
}

/// Lets the best of the dead entries explain what the living left over.
fn revive(items: &mut Vec<Item>, row: &[f32], dead: &[usize], k: usize, level: usize) {
    let silent = |entry: usize| items.binary_search_by_key(&entry, |item| item.entry).is_err();
    let mut ranked: Vec<(f32, usize)> =
        dead.iter().filter(|entry| row[**entry] > 0.0 && silent(**entry)).map(|entry| (row[*entry], *entry)).collect();
    keep_best(&mut ranked, k);
    ranked.sort_unstable_by_key(|(_, entry)| *entry);
    items.extend(ranked.into_iter().map(|(value, entry)| Item { entry, value, level }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pre(rows: usize, width: usize) -> Vec<f32> {
        (0..rows * width).map(|i| ((i * 7919) % 1009) as f32 / 500.0 - 0.6).collect()
    }

    fn run(kind: Kind, dead: &[usize], prices: &[f32]) -> Vec<Vec<Item>> {
        let settings = Settings::new(kind, 20, 3);
        select(&settings, &pre(8, 20), &Entries { prices, thresholds: &[0.5; 20], dead })
    }

    #[test]
    fn top_k_takes_exactly_the_k_largest_of_each_row() {
        for (items, row) in run(Kind::TopK, &[], &[0.0; 20]).iter().zip(pre(8, 20).chunks_exact(20)) {
            let mut sorted = row.to_vec();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let mut values: Vec<f32> = items.iter().map(|item| item.value).collect();
            values.sort_by(|a, b| b.total_cmp(a));
            assert_eq!(values, sorted[..3]);
        }
    }

    #[test]
    fn batch_top_k_spends_k_a_row_on_average() {
        let items = run(Kind::BatchTopK, &[], &[0.0; 20]);
        assert_eq!(items.iter().map(Vec::len).sum::<usize>(), 24);
        let least = items.iter().flatten().map(|item| item.value).fold(f32::MAX, f32::min);
        assert_eq!(pre(8, 20).iter().filter(|z| **z >= least).count(), 24);
    }

    #[test]
    fn a_cheap_entry_fires_more() {
        let mut prices = [1.0; 20];
        prices[4] = 0.0;
        let fired = |items: Vec<Vec<Item>>| items.iter().flatten().filter(|item| item.entry == 4).count();
        assert!(fired(run(Kind::BatchTopK, &[], &prices)) > fired(run(Kind::BatchTopK, &[], &[1.0; 20])));
    }

    #[test]
    fn matryoshka_levels_follow_the_prefixes() {
        let items = run(Kind::Matryoshka { prefixes: vec![5, 10, 20] }, &[], &[0.0; 20]);
        for item in items.iter().flatten() {
            assert_eq!(item.level, usize::from(item.entry >= 5) + usize::from(item.entry >= 10));
        }
    }

    #[test]
    fn dead_entries_come_after_all_others() {
        let items = run(Kind::TopK, &[0, 3, 11], &[0.0; 20]);
        for items in &items {
            assert!(items.is_sorted_by_key(|item| item.level));
            assert_eq!(items.iter().filter(|item| item.level == 0).count(), 3);
            let mut entries: Vec<usize> = items.iter().map(|item| item.entry).collect();
            entries.sort_unstable();
            assert!(entries.windows(2).all(|w| w[0] < w[1]), "an entry takes part once");
        }
        assert!(items.iter().flatten().any(|item| item.level == 1));
    }
}
