// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading

/// The sum of pruned updates at one site, as a whole matrix.
struct PrunedSum: Sendable {
    let pruning: Pruning
    /// Whether only what agrees with the elected sign is counted, as its mean.
    let electsSigns: Bool

    /// Larger sites are refused: a few matrices of this many elements are in memory at a time.
    static let maximumElements = 1 << 28

    func matrix(of updates: SiteUpdates) throws(CompositionError) -> Matrix {
        let (elements, overflow) = updates.outputSize.multipliedReportingOverflow(
            by: updates.inputSize)
        guard !overflow, elements <= Self.maximumElements else {
            throw CompositionError(
                .tooLarge,
                "\(updates.outputSize) x \(updates.inputSize) elements are over the limit of "
                    + "\(Self.maximumElements) for methods that prune; use concatenate or svd",
                at: updates.site.moduleName)
        }
        let sum = weightedSum(updates)
        return electsSigns ? meanOfAgreeing(updates, elected: sum) : sum
    }

    /// An update with only what stays of it.
    private func pruned(_ update: SiteUpdates.Update, _ updates: SiteUpdates) -> Matrix {
        var matrix = update.product.dense
        pruning.apply(to: &matrix, source: update.source, site: updates.site)
        return matrix
    }

    private func weightedSum(_ updates: SiteUpdates) -> Matrix {
        var sum = Matrix(zeros: updates.outputSize, updates.inputSize)
        for update in updates.updates {
            sum.add(pruned(update, updates), times: update.weight)
        }
        return sum
    }

    /// TIES (Yadav et al., "TIES-Merging", 2023): of each element the mean of the weighted values
    /// that have the sign of their sum. Zeros have none; where the sum is zero nothing prevails.
    ///
    /// The signs are elected with the weights. The updates are pruned a second time instead of being
    /// kept, so that memory does not grow with the number of adapters.
    private func meanOfAgreeing(_ updates: SiteUpdates, elected: Matrix) -> Matrix {
        var sum = Matrix(zeros: updates.outputSize, updates.inputSize)
        var counts = [UInt16](repeating: 0, count: sum.values.count)
        for update in updates.updates {
            let matrix = pruned(update, updates)
            sum.update { index, value in
                let own = update.weight * matrix.values[index]
                if own * elected.values[index] > 0 {
                    value += own
                    counts[index] += 1
                }
            }
        }
        sum.update { index, value in
            if counts[index] > 1 { value /= Double(counts[index]) }
        }
        return sum
    }
}
