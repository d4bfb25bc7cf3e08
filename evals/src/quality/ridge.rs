//! Ridge regression on texts by the products of what was read of them: directions in which passages become better.
//!
//! Everything is in the dual form (Saunders, Gammerman and Vovk 1998): a direction is a sum of texts, and a text's score is the same
//! sum of products with it.

use nalgebra::{DMatrix, DVector};

/// Penalties to choose from, in units of a row's mean squared length.
const PENALTIES: [f64; 5] = [0.03, 0.1, 0.3, 1.0, 3.0];

/// One way in which texts were read: the product of every two of them.
#[derive(Debug, Clone)]
pub(super) struct Site {
    gram: DMatrix<f64>,
}

impl Site {
    /// From a row of numbers for each text; each column is taken less its mean and divided by its standard deviation over all texts,
    /// which looks at no label.
    pub(super) fn standardised(rows: &[Vec<f64>]) -> Self {
        let (n, width) = (rows.len(), rows.first().map_or(0, Vec::len));
        let mut x = DMatrix::from_fn(n, width, |i, k| rows[i][k]);
        for mut column in x.column_iter_mut() {
            let mean = column.mean();
            column.add_scalar_mut(-mean);
            let sd = column.norm() / (n.max(1) as f64).sqrt();
            // A column that does not vary says nothing.
            column *= if sd > 1e-9 { 1.0 / sd } else { 0.0 };
        }
        Self { gram: &x * x.transpose() }
    }

    /// From terms with their weights, each a column; every text has length 1.
    pub(super) fn of_terms(rows: &[Vec<(usize, f64)>]) -> Self {
        let columns = rows.iter().flatten().map(|(column, _)| column + 1).max().unwrap_or(0);
        let mut x = DMatrix::zeros(rows.len(), columns);
        for (i, row) in rows.iter().enumerate() {
            let length = row.iter().map(|(_, w)| w * w).sum::<f64>().sqrt().max(1e-12);
            row.iter().for_each(|(column, w)| x[(i, *column)] = w / length);
        }
        Self { gram: &x * x.transpose() }
    }

    /// The score of every text, by what each of them contributes.
    fn scores(&self, contributions: &DVector<f64>) -> Vec<f64> {
        (&self.gram * contributions).iter().copied().collect()
    }
}

/// What is learned: scores of all texts.
#[derive(Debug, Clone)]
pub(super) struct Learned {
    pub(super) scores: Vec<f64>,
}

/// What can be learned from: examples in groups, of which whole ones are held out when a way to learn is chosen.
pub(super) trait Lesson: Sync {
    /// The group of each.
    fn group(&self, example: usize) -> usize;
    /// The scores of all texts, learned from some examples with some penalty; nothing where that has no solution.
    fn learn(&self, site: &Site, examples: &[usize], penalty: f64) -> Option<Vec<f64>>;
    /// The squared error of an example under scores.
    fn error(&self, scores: &[f64], example: usize) -> f64;
}

/// A passage that is better than another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Better {
    pub(super) better: usize,
    pub(super) worse: usize,
    pub(super) group: usize,
}

impl Lesson for [Better] {
    fn group(&self, example: usize) -> usize {
        self[example].group
    }

    fn learn(&self, site: &Site, examples: &[usize], penalty: f64) -> Option<Vec<f64>> {
        let pair = |i: usize| self[examples[i]];
        let product = |a: Better, b: Better| {
            let g = |i: usize, j: usize| site.gram[(i, j)];
            g(a.better, b.better) - g(a.better, b.worse) - g(a.worse, b.better) + g(a.worse, b.worse)
        };
        let n = examples.len();
        let kernel = DMatrix::from_fn(n, n, |i, j| product(pair(i), pair(j)));
        // Better by one, each of them.
        let weights = solve(kernel, &DVector::from_element(n, 1.0), penalty)?;
        let mut contributions = DVector::zeros(site.gram.nrows());
        for (i, w) in weights.iter().enumerate() {
            contributions[pair(i).better] += w;
            contributions[pair(i).worse] -= w;
        }
        Some(site.scores(&contributions))
    }

    fn error(&self, scores: &[f64], example: usize) -> f64 {
        let Better { better, worse, .. } = self[example];
        (1.0 - scores[better] + scores[worse]).powi(2)
    }
}

/// A passage with what a reader found it worth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rated {
    pub(super) passage: usize,
    pub(super) worth: f64,
    pub(super) group: usize,
}

impl Lesson for [Rated] {
    fn group(&self, example: usize) -> usize {
        self[example].group
    }

    fn learn(&self, site: &Site, examples: &[usize], penalty: f64) -> Option<Vec<f64>> {
        let n = examples.len();
        let at = |i: usize| self[examples[i]].passage;
        let mut kernel = DMatrix::from_fn(n, n, |i, j| site.gram[(at(i), at(j))]);
        // Centred from both sides, so that the mean has no penalty.
        let means: Vec<f64> = kernel.column_iter().map(|c| c.mean()).collect();
        let mean = means.iter().sum::<f64>() / n.max(1) as f64;
        kernel = DMatrix::from_fn(n, n, |i, j| kernel[(i, j)] - means[i] - means[j] + mean);
        let level = examples.iter().map(|e| self[*e].worth).sum::<f64>() / n.max(1) as f64;
        let weights = solve(kernel, &DVector::from_fn(n, |i, _| self[examples[i]].worth - level), penalty)?;
        let off = weights.mean();
        let mut contributions = DVector::zeros(site.gram.nrows());
        weights.iter().enumerate().for_each(|(i, w)| contributions[at(i)] += w - off);
        let scores = site.scores(&contributions);
        let own = examples.iter().map(|e| scores[self[*e].passage]).sum::<f64>() / n.max(1) as f64;
        Some(scores.into_iter().map(|s| s - own + level).collect())
    }

    fn error(&self, scores: &[f64], example: usize) -> f64 {
        (self[example].worth - scores[self[example].passage]).powi(2)
    }
}

fn solve(mut kernel: DMatrix<f64>, right: &DVector<f64>, penalty: f64) -> Option<DVector<f64>> {
    let n = kernel.nrows();
    let unit = kernel.trace() / n.max(1) as f64;
    // Rows that are all alike say nothing, and are told so by a kernel that is only its penalty.
    let ridge = (penalty * unit).max(1e-9);
    (0..n).for_each(|i| kernel[(i, i)] += ridge);
    Some(kernel.cholesky()?.solve(right))
}

/// Learns from some examples; the site and the penalty are those under which groups that are held out in turn are told best.
pub(super) fn learn<L: Lesson + ?Sized>(sites: &[Site], lesson: &L, examples: &[usize]) -> Option<Learned> {
    let mut groups: Vec<usize> = examples.iter().map(|e| lesson.group(*e)).collect();
    groups.sort_unstable();
    groups.dedup();
    let loss = |site: &Site, penalty: f64| -> Option<f64> {
        let mut sum = 0.0;
        for group in &groups {
            let (out, rest): (Vec<usize>, Vec<usize>) = examples.iter().partition(|e| lesson.group(**e) == *group);
            if rest.is_empty() {
                continue;
            }
            let scores = lesson.learn(site, &rest, penalty)?;
            sum += out.iter().map(|e| lesson.error(&scores, *e)).sum::<f64>();
        }
        Some(sum)
    };
    let ways = sites.iter().flat_map(|site| PENALTIES.map(|penalty| (site, penalty)));
    let tried = ways.filter_map(|(site, penalty)| Some((site, penalty, loss(site, penalty)?)));
    let (site, penalty, _) = tried.min_by(|a, b| a.2.total_cmp(&b.2))?;
    Some(Learned { scores: lesson.learn(site, examples, penalty)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_memory::belief::simulate::normals;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// 80 texts of six numbers; their worth is the first, with some noise in the reading.
    fn texts() -> (Vec<Vec<f64>>, Vec<f64>) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let rows: Vec<Vec<f64>> = (0..80).map(|_| normals(6, &mut rng)).collect();
        let worth = rows.iter().map(|row| row[0]).collect();
        (rows, worth)
    }

    #[test]
    fn a_direction_is_found_from_pairs_and_from_ratings_and_the_site_that_has_it_is_chosen() {
        let (rows, worth) = texts();
        let noise: Vec<Vec<f64>> = rows.iter().map(|row| row[1..].to_vec()).collect();
        let sites = [Site::standardised(&noise), Site::standardised(&rows)];
        let pairs: Vec<Better> = (0..20)
            .map(|i| {
                let (a, b) = (2 * i, 2 * i + 1);
                let (better, worse) = if worth[a] > worth[b] { (a, b) } else { (b, a) };
                Better { better, worse, group: i % 5 }
            })
            .collect();
        let examples: Vec<usize> = (0..20).collect();
        let right = |scores: &[f64]| {
            let held_out = (20..40).filter(|i| {
                let (a, b) = (2 * i, 2 * i + 1);
                (scores[a] > scores[b]) == (worth[a] > worth[b])
            });
            held_out.count()
        };
        let by_pairs = learn(&sites, &pairs[..], &examples).expect("a direction");
        assert!(right(&by_pairs.scores) >= 16, "{}", right(&by_pairs.scores));
        let rated: Vec<Rated> = (0..40).map(|i| Rated { passage: i, worth: 3.0 + worth[i], group: i % 5 }).collect();
        let examples: Vec<usize> = (0..40).collect();
        let by_ratings = learn(&sites, &rated[..], &examples).expect("a direction");
        assert!(right(&by_ratings.scores) >= 18, "{}", right(&by_ratings.scores));
        let mean = (40..80).map(|i| by_ratings.scores[i] - worth[i]).sum::<f64>() / 40.0;
        assert!((mean - 3.0).abs() < 0.3, "scores are in the unit of the ratings: {mean}");
    }

    #[test]
    fn dual_and_primal_agree() {
        let (rows, worth) = texts();
        let site = Site::standardised(&rows);
        let rated: Vec<Rated> = (0..30).map(|i| Rated { passage: i, worth: worth[i], group: 0 }).collect();
        let all: Vec<usize> = (0..30).collect();
        let scores = rated[..].learn(&site, &all, 0.3).expect("a solution");
        // The same by the normal equations on centred, standardised columns.
        let width = 6;
        let x = DMatrix::from_fn(80, width, |i, k| {
            let column: Vec<f64> = rows.iter().map(|row| row[k]).collect();
            let mean = column.iter().sum::<f64>() / 80.0;
            let sd = (column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 80.0).sqrt();
            (rows[i][k] - mean) / sd
        });
        let mut own = x.rows(0, 30).into_owned();
        let means: Vec<f64> = own.column_iter().map(|c| c.mean()).collect();
        for (k, mean) in means.iter().enumerate() {
            own.column_mut(k).add_scalar_mut(-mean);
        }
        let level = worth[..30].iter().sum::<f64>() / 30.0;
        let ridge = 0.3 * own.norm_squared() / 30.0;
        let normal = own.transpose() * &own + DMatrix::identity(width, width) * ridge;
        let y = DVector::from_fn(30, |i, _| worth[i] - level);
        let w = normal.cholesky().expect("positive").solve(&(own.transpose() * y));
        for i in 0..80 {
            let row = DVector::from_fn(width, |k, _| x[(i, k)] - means[k]);
            assert!((row.dot(&w) + level - scores[i]).abs() < 1e-9);
        }
    }
}
