// SPDX-License-Identifier: Apache-2.0

/// Finds what was probably meant by a word that is not known.
enum Spelling {
    /// The candidate that is nearest to `word`, at an edit distance of at most 2; words of two or
    /// three letters allow one edit, single letters none. Of equals the first with the same first
    /// letter wins, else the first.
    static func nearest(to word: String, among candidates: [String]) -> String? {
        let letters = Array(word.unicodeScalars.prefix(65))
        guard !letters.isEmpty, letters.count <= 64 else { return nil }
        let limit = letters.count == 1 ? 0 : letters.count <= 3 ? 1 : 2
        var best: (candidate: String, score: Int)?
        for candidate in candidates where candidate != word {
            // Case is the commonest slip, and not an edit.
            let distance =
                candidate.lowercased() == word.lowercased()
                ? 0 : self.distance(letters, Array(candidate.unicodeScalars), limit: limit)
            let score = 2 * distance + (candidate.unicodeScalars.first == letters[0] ? 0 : 1)
            guard distance <= limit, score < best?.score ?? .max else { continue }
            best = (candidate, score)
        }
        return best?.candidate
    }

    /// The restricted Damerau-Levenshtein distance: insertions, deletions, substitutions and swaps
    /// of neighbours. Beyond `limit` it only says that it is beyond.
    static func distance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar], limit: Int) -> Int {
        guard abs(left.count - right.count) <= limit else { return limit + 1 }
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for (row, letter) in left.enumerated() {
            var current = [row + 1]
            for (column, other) in right.enumerated() {
                var cost = min(
                    last[column + 1] + 1, current[column] + 1,
                    last[column] + (letter == other ? 0 : 1))
                if row > 0, column > 0, letter == right[column - 1], left[row - 1] == other {
                    cost = min(cost, beforeLast[column - 1] + 1)
                }
                current.append(cost)
            }
            (beforeLast, last) = (last, current)
        }
        return last[right.count]
    }
}
