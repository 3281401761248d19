// SPDX-License-Identifier: Apache-2.0

/// One attempt to change the host, as `burrow generations` shows it.
nonisolated package struct GenerationRecord: Codable, Sendable, Equatable {
    package enum Outcome: String, Codable, Sendable {
        /// In force and being watched. Can transition to `live`, `rolledBack`, `superseded`.
        case probation
        /// In force. Can transition to `superseded`, `rolledBack`.
        case live
        /// Was in force until another took its place.
        case superseded
        /// Was in force and was taken back.
        case rolledBack
        /// Never was in force.
        case rejected
    }

    /// The number of the generation; `nil` where none came of the attempt.
    package var number: Int?
    package var outcome: Outcome
    package var origin: ReloadOrigin
    package var file: String

    /// Of the manifest and all that it names; `nil` where it could not be told.
    package var digest: String?

    /// Seconds since 1970.
    package var at: Double
    package var stages: [StageTime] = []
    package var changes: [ManifestChange] = []
    package var states: [CarriedState] = []

    /// Why it was rejected or rolled back, or what could not be done of it.
    package var reason: String?

    /// Where it failed.
    package var failedStage: ReloadStage?
}

/// Who asked for a change.
nonisolated package enum ReloadOrigin: String, Codable, Sendable {
    case start
    case signal
    case watch
    case admin
    case rollback
    /// Done by the host, after a probation that was not passed.
    case probation
    case reset
}

/// What has been in force and what was tried, the latest last; the oldest are forgotten.
nonisolated struct GenerationHistory: Sendable {
    /// Attempts that are remembered.
    static let mostRecords = 64

    /// Generations that can come back, besides the live one.
    static let mostKept = 8

    private(set) var records: [GenerationRecord] = []
    private var kept: [Int: KeptGeneration] = [:]
    private(set) var live = 0
    private(set) var nextNumber = 1

    mutating func note(_ record: GenerationRecord) {
        records.append(record)
        if records.count > Self.mostRecords { records.removeFirst() }
    }

    /// A generation has come into force.
    mutating func commit(_ record: GenerationRecord, _ generation: KeptGeneration) {
        change(live) { record in
            if record.outcome == .live || record.outcome == .probation {
                record.outcome = .superseded
            }
        }
        note(record)
        live = record.number ?? live
        nextNumber = live + 1
        kept[live] = generation
        let old = kept.keys.sorted().dropLast(Self.mostKept + 1)
        for number in old { kept[number] = nil }
    }

    mutating func change(_ number: Int, _ body: (inout GenerationRecord) -> Void) {
        guard let index = records.lastIndex(where: { $0.number == number }) else { return }
        body(&records[index])
    }

    subscript(number: Int) -> KeptGeneration? { kept[number] }

    /// The generations that can come back, the latest first.
    var previous: [Int] { kept.keys.filter { $0 != live }.sorted(by: >) }

    /// What a rollback without a number goes to: the last generation before the live one that was
    /// not taken back.
    var rollbackTarget: Int? {
        previous.first { number in
            number < live
                && records.last { $0.number == number }.map { $0.outcome != .rolledBack } ?? true
        }
    }
}
