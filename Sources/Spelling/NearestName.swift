// SPDX-License-Identifier: Apache-2.0

/// The candidate that `word` was probably meant to be, or nil where none is near.
///
/// Near is at most two edits: letters inserted, removed, changed, or swapped with a neighbour.
/// Words of two or three letters allow one edit, single letters none; case is no edit, as it is the
/// commonest slip. Of equals the first with the same first letter wins, else the first.
///
/// Words of more than 64 Unicode scalars are near nothing, and at most 512 candidates are looked
/// at, so that a flood of wrong names stays cheap.
package func nearestName(
    to word: String, among candidates: some Sequence<String>
) -> String? {
    let letters = Array(word.unicodeScalars.prefix(longestWord + 1))
    guard !letters.isEmpty, letters.count <= longestWord else { return nil }
    let limit = letters.count == 1 ? 0 : letters.count <= 3 ? 1 : 2
    let lowercased = word.lowercased()
    var best: (candidate: String, score: Int)?
    for candidate in candidates.prefix(mostCandidates) where candidate != word {
        let others = Array(candidate.unicodeScalars.prefix(longestWord + limit + 1))
        guard abs(others.count - letters.count) <= limit else { continue }
        let distance =
            candidate.lowercased() == lowercased
            ? 0 : editDistance(letters, others, limit: limit)
        let score = 2 * distance + (others.first == letters[0] ? 0 : 1)
        guard distance <= limit, score < best?.score ?? .max else { continue }
        best = (candidate, score)
    }
    return best?.candidate
}

private let longestWord = 64
private let mostCandidates = 512

/// The optimal string alignment distance: insertions, deletions, substitutions and swaps of
/// neighbours, none of which touches a letter twice. Beyond `limit` it only says that it is beyond.
func editDistance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar], limit: Int) -> Int {
    guard abs(left.count - right.count) <= limit else { return limit + 1 }
    var beforeLast = Array(0...right.count)
    var last = beforeLast
    var current = beforeLast
    for (row, letter) in left.enumerated() {
        current[0] = row + 1
        for (column, other) in right.enumerated() {
            var cost = min(
                last[column + 1] + 1, current[column] + 1,
                last[column] + (letter == other ? 0 : 1))
            if row > 0, column > 0, letter == right[column - 1], left[row - 1] == other {
                cost = min(cost, beforeLast[column - 1] + 1)
            }
            current[column + 1] = cost
        }
        (beforeLast, last, current) = (last, current, beforeLast)
    }
    return last[right.count]
}
