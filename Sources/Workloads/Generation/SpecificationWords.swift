// SPDX-License-Identifier: Apache-2.0

/// The words of `name:word:word`, read one after the other.
struct SpecificationWords {
    let name: String
    private let subject: String
    private let whole: String
    private let forms: String
    private var words: ArraySlice<Substring>

    /// `subject` and `whole` are named in messages, `forms` is what might have been written.
    init(_ text: String, of subject: String, whole: String? = nil, forms: String) {
        let words = text.split(separator: ":", omittingEmptySubsequences: false)
        name = words.first.map(String.init) ?? ""
        self.words = words.dropFirst()
        self.subject = subject
        self.whole = whole ?? text
        self.forms = forms
    }

    /// The name is none that is known.
    var unknown: WorkloadError { fault("expected \(forms)") }

    func fault(_ reason: String) -> WorkloadError {
        WorkloadError("\(subject) '\(whole)': \(reason)")
    }

    mutating func number(
        _ what: String, in range: ClosedRange<Double>
    ) throws(WorkloadError) -> Double {
        guard let word = words.popFirst() else { throw unknown }
        guard let number = Double(word), range.contains(number) else {
            throw fault("the \(what) '\(word)' is no number from \(range.text)")
        }
        return number
    }

    mutating func integer(_ what: String, in range: ClosedRange<Int>) throws(WorkloadError) -> Int {
        guard let word = words.popFirst() else { throw unknown }
        guard let number = Int(word), range.contains(number) else {
            throw fault(
                "the \(what) '\(word)' is no whole number from \(range.lowerBound) to "
                    + "\(range.upperBound)")
        }
        return number
    }

    /// All that is left as one text, or `nil` where nothing is.
    mutating func rest() -> String? {
        guard !words.isEmpty else { return nil }
        defer { words = [] }
        return words.joined(separator: ":")
    }

    func end() throws(WorkloadError) {
        guard words.isEmpty else { throw unknown }
    }
}

extension ClosedRange<Double> {
    fileprivate var text: String { "\(lowerBound) to \(upperBound)" }
}
