// SPDX-License-Identifier: Apache-2.0

/// The moment that `strftime_now` tells; the caller reads the clock, a template never does.
package struct TemplateClock: Sendable {
    /// Seconds since 1970-01-01 00:00:00 of the wall clock: UTC plus the offset of the zone.
    package let localSeconds: Int

    package init(localSeconds: Int) { self.localSeconds = localSeconds }

    private static let days = [
        "Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday",
    ]
    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December",
    ]
    private static let directives = Set("YymdeHIMSpBbAajFTDR%".unicodeScalars)

    /// The directives of a format with the text between them.
    private enum Piece {
        case text(Unicode.Scalar)
        case directive(Unicode.Scalar, isUnpadded: Bool)
    }

    private static func pieces(
        _ format: String, _ position: TemplatePosition
    ) throws(TokenizationError) -> [Piece] {
        var result: [Piece] = []
        var scalars = format.unicodeScalars[...]
        while let scalar = scalars.popFirst() {
            guard scalar == "%" else {
                result.append(.text(scalar))
                continue
            }
            let isUnpadded = scalars.first == "-"
            if isUnpadded { scalars.removeFirst() }
            guard let directive = scalars.popFirst(), directives.contains(directive) else {
                throw TemplateParser.error(
                    .unsupportedTemplate,
                    "the date format '\(format)' is not supported in chat templates", position)
            }
            result.append(.directive(directive, isUnpadded: isUnpadded))
        }
        return result
    }

    /// Refuses a format that ``text(_:at:)`` could not write.
    static func check(_ format: String, at position: TemplatePosition) throws(TokenizationError) {
        _ = try pieces(format, position)
    }

    func text(_ format: String, at position: TemplatePosition) throws(TokenizationError) -> String {
        let date = CalendarDate(localSeconds: localSeconds)
        var result = ""
        for piece in try Self.pieces(format, position) {
            switch piece {
            case .text(let scalar): result.unicodeScalars.append(scalar)
            case .directive(let directive, let isUnpadded):
                result += Self.write(directive, date, isUnpadded: isUnpadded)
            }
        }
        return result
    }

    private static func write(
        _ directive: Unicode.Scalar, _ date: CalendarDate, isUnpadded: Bool
    ) -> String {
        func padded(_ number: Int, _ width: Int = 2, _ filler: String = "0") -> String {
            let digits = String(number)
            guard !isUnpadded, digits.count < width else { return digits }
            return String(repeating: filler, count: width - digits.count) + digits
        }
        let hour12 = (date.hour + 11) % 12 + 1
        let month = months[date.month - 1]
        let day = days[date.weekdayFromThursday]
        switch directive {
        case "Y": return padded(date.year, 4)
        case "y": return padded(((date.year % 100) + 100) % 100)
        case "m": return padded(date.month)
        case "d": return padded(date.day)
        case "e": return padded(date.day, 2, " ")
        case "H": return padded(date.hour)
        case "I": return padded(hour12)
        case "M": return padded(date.minute)
        case "S": return padded(date.second)
        case "j": return padded(date.dayOfYear, 3)
        case "p": return date.hour < 12 ? "AM" : "PM"
        case "B": return month
        case "b": return String(month.prefix(3))
        case "A": return day
        case "a": return String(day.prefix(3))
        case "F": return "\(padded(date.year, 4))-\(padded(date.month))-\(padded(date.day))"
        case "T": return "\(padded(date.hour)):\(padded(date.minute)):\(padded(date.second))"
        case "R": return "\(padded(date.hour)):\(padded(date.minute))"
        case "D": return "\(padded(date.month))/\(padded(date.day))/\(padded(date.year % 100))"
        default: return "%"
        }
    }
}

/// A date of the proleptic Gregorian calendar.
struct CalendarDate: Equatable {
    let year, month, day, hour, minute, second, dayOfYear, weekdayFromThursday: Int

    /// Howard Hinnant's `civil_from_days`, https://howardhinnant.github.io/date_algorithms.html
    init(localSeconds: Int) {
        // The years 1 to 9999, as Python's dates.
        let seconds = min(max(localSeconds, -62_135_596_800), 253_402_300_799)
        let days = Int((Double(seconds) / 86_400).rounded(.down))
        let rest = seconds - days * 86_400
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfMarchYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfMarchYear + 2) / 153
        day = dayOfMarchYear - (153 * marchMonth + 2) / 5 + 1
        month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        dayOfYear =
            month > 2 ? dayOfMarchYear + 60 + (isLeap ? 1 : 0) : dayOfMarchYear - 305
        hour = rest / 3600
        minute = rest / 60 % 60
        second = rest % 60
        weekdayFromThursday = ((days % 7) + 7) % 7
    }
}
