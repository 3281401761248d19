// SPDX-License-Identifier: Apache-2.0

/// Least squares in which weights are at least zero: the active-set method of Lawson and Hanson,
/// "Solving Least Squares Problems" (1974), chapter 23.
struct NonNegativeFit {
    /// `Aᵀ A` and `Aᵀ b` of columns of length 1.
    private let squares: [[Double]]
    private let products: [Double]
    private let lengths: [Double]

    /// Columns whose weights may be below zero.
    private let signed: Set<Int>

    /// Of the diagonal, what is added to it so that columns that say the same can be told apart.
    private static let ridge = 1e-10
    private static let tolerance = 1e-10

    /// `inputs` has a row for each target, all of the same length.
    init(inputs: [[Double]], targets: [Double], signed: Set<Int> = []) {
        let columns = inputs.first?.count ?? 0
        var squares = [[Double]](repeating: [Double](repeating: 0, count: columns), count: columns)
        var products = [Double](repeating: 0, count: columns)
        for (input, target) in zip(inputs, targets) {
            for row in 0..<columns where input[row] != 0 {
                products[row] += input[row] * target
                for column in 0..<columns { squares[row][column] += input[row] * input[column] }
            }
        }
        let lengths = (0..<columns).map { squares[$0][$0].squareRoot() }
        for row in 0..<columns where lengths[row] > 0 {
            products[row] /= lengths[row]
            for column in 0..<columns where lengths[column] > 0 {
                squares[row][column] /= lengths[row] * lengths[column]
            }
        }
        self.squares = squares
        self.products = products
        self.lengths = lengths
        self.signed = signed
    }

    /// The weights, one for each column; zero for a column of zeros.
    func weights() -> [Double] {
        let usable = lengths.indices.filter { lengths[$0] > 0 }
        var passive = usable.filter(signed.contains)
        var weights = solution(for: passive)
        for _ in 0..<3 * max(1, usable.count) {
            let candidates = usable.filter { !passive.contains($0) }
            guard let best = candidates.max(by: { gradient($0, weights) < gradient($1, weights) }),
                gradient(best, weights) > Self.tolerance
            else { break }
            passive.append(best)
            settle(&passive, &weights)
        }
        return lengths.indices.map { lengths[$0] > 0 ? weights[$0] / lengths[$0] : 0 }
    }

    /// Goes towards the solution for `passive` and lets go of columns that would fall below zero.
    private func settle(_ passive: inout [Int], _ weights: inout [Double]) {
        while !passive.isEmpty {
            let target = solution(for: passive)
            let falling = passive.filter { !signed.contains($0) && target[$0] <= 0 }
            guard !falling.isEmpty else {
                weights = target
                return
            }
            let step =
                falling.map { weights[$0] / max(weights[$0] - target[$0], 1e-300) }.min() ?? 0
            for column in passive { weights[column] += step * (target[column] - weights[column]) }
            let left = passive.filter { signed.contains($0) || weights[$0] > 1e-14 }
            for column in passive where !left.contains(column) { weights[column] = 0 }
            guard left.count < passive.count else { return }
            passive = left
        }
    }

    private func gradient(_ column: Int, _ weights: [Double]) -> Double {
        weights.indices.reduce(products[column]) { $0 - squares[column][$1] * weights[$1] }
    }

    /// The least squares over these columns alone, by Cholesky's decomposition.
    private func solution(for columns: [Int]) -> [Double] {
        let count = columns.count
        var factor = columns.map { row in columns.map { squares[row][$0] } }
        var right = columns.map { products[$0] }
        for column in 0..<count {
            factor[column][column] += Self.ridge
            for row in column..<count {
                var value = factor[row][column]
                for inner in 0..<column { value -= factor[row][inner] * factor[column][inner] }
                factor[row][column] =
                    row > column
                    ? value / factor[column][column] : max(value, Self.ridge).squareRoot()
            }
            for inner in 0..<column { right[column] -= factor[column][inner] * right[inner] }
            right[column] /= factor[column][column]
        }
        for column in (0..<count).reversed() {
            for row in stride(from: column + 1, to: count, by: 1) {
                right[column] -= factor[row][column] * right[row]
            }
            right[column] /= factor[column][column]
        }
        var weights = [Double](repeating: 0, count: lengths.count)
        for (index, column) in columns.enumerated() { weights[column] = right[index] }
        return weights
    }
}
