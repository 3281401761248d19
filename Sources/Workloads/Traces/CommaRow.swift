// SPDX-License-Identifier: Apache-2.0

/// The cells of one line of comma-separated values; none may be quoted.
struct CommaRow {
    private let cells: [ArraySlice<UInt8>]

    /// - Throws: where the line has not so many cells.
    init(
        _ line: ArraySlice<UInt8>, cells count: Int, of reader: LineReader
    ) throws(WorkloadError) {
        cells = line.split(
            separator: UInt8(ascii: ","), maxSplits: count, omittingEmptySubsequences: false)
        guard cells.count == count else {
            throw reader.fault("expected \(count) values with commas between them")
        }
    }

    func text(_ index: Int) -> String { String(decoding: cells[index], as: UTF8.self) }

    /// A count of tokens, at most 2³¹.
    func tokens(_ index: Int, _ name: String, of reader: LineReader) throws(WorkloadError) -> Int {
        guard let number = cells[index].digits(), (1...1 << 31).contains(number) else {
            throw reader.fault("\(name) '\(text(index).prefix(40))' is no number of tokens, from 1")
        }
        return number
    }

    /// A moment as `2023-11-16 18:17:03.9799600`, in nanoseconds since 1970 if all days had 24 hours.
    func moment(
        _ index: Int, _ name: String, of reader: LineReader
    ) throws(WorkloadError) -> Int64 {
        guard let moment = Self.moment(cells[index]) else {
            throw reader.fault(
                "\(name) '\(text(index).prefix(40))' is no time as 2023-11-16 18:17:03.9799600")
        }
        return moment
    }

    private static func moment(_ cell: ArraySlice<UInt8>) -> Int64? {
        let start = cell.startIndex
        guard cell.count >= 19 else { return nil }
        func number(_ offset: Int, _ count: Int) -> Int? {
            cell[start + offset..<start + offset + count].digits()
        }
        let marks = zip([4, 7, 10, 13, 16], "-- ::".utf8)
        guard marks.allSatisfy({ cell[start + $0.0] == $0.1 }),
            let year = number(0, 4), let month = number(5, 2), let day = number(8, 2),
            let hour = number(11, 2), let minute = number(14, 2), let second = number(17, 2),
            (1970...2200).contains(year), (1...12).contains(month), (1...31).contains(day),
            hour < 24, minute < 60, second <= 60
        else { return nil }
        var nanoseconds = 0
        let fraction = cell.dropFirst(19)
        if !fraction.isEmpty {
            guard fraction.first == UInt8(ascii: "."), (2...10).contains(fraction.count),
                let digits = fraction.dropFirst().digits()
            else { return nil }
            nanoseconds = (fraction.count - 1..<9).reduce(digits) { value, _ in value * 10 }
        }
        let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
        return Int64(seconds) * 1_000_000_000 + Int64(nanoseconds)
    }

    /// Days since 1970-01-01 in the Gregorian calendar (Hinnant, "chrono-Compatible Low-Level Date
    /// Algorithms").
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}

extension ArraySlice<UInt8> {
    /// The number that these 1 to 18 decimal digits write.
    func digits() -> Int? {
        guard (1...18).contains(count) else { return nil }
        var number = 0
        for byte in self {
            guard (0x30...0x39).contains(byte) else { return nil }
            number = number * 10 + Int(byte - 0x30)
        }
        return number
    }
}
