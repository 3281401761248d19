// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Spelling

extension Form {
    /// A mapping whose keys the document chooses.
    static func named<Item: Equatable>(
        _ item: Form<Item>
    ) -> Form where Value == [PolicyTest.Named<Item>] {
        Form(schema: .parameters) { place, reading in
            place.entries(&reading)?.compactMap { entry in
                item.read(place.child(entry), &reading).map { value in
                    PolicyTest.Named(
                        name: Located(entry.key, at: entry.keyPosition),
                        value: Located(value, at: entry.value.position))
                }
            }
        }
    }

    /// A list of names, which is at one place as a whole.
    static var names: Form<[String]> {
        Form<[Located<String>]>.list(ofLocated: .name).map { $0.map(\.value) }
    }
}

extension Form where Value == [Located<Int>] {
    /// One replica, a list of them, or `all`.
    static func replicas() -> Form {
        let list = Form.list(ofLocated: Form<Int>.integer(0...63))
        return Form(schema: .list(of: .scalar(.integer(0...63)))) { place, reading in
            if case .scalar(let scalar) = place.node.content {
                if scalar.text == "all" { return [Located(-1, at: place.node.position)] }
                return Form<Int>.integer(0...63).read(place, &reading).map {
                    [Located($0, at: place.node.position)]
                }
            }
            return list.read(place, &reading)
        }
    }
}

extension Form where Value == PolicyTest.Mode {
    /// `unmerged`, `{merged: NAME}` or `{mixed: NAME}`.
    static var mode: Form {
        Form(schema: .parameters) { place, reading in
            let expected = "expected unmerged, {merged: ADAPTER} or {mixed: ADAPTER}"
            if case .scalar(let scalar) = place.node.content {
                if scalar.text == "unmerged" { return .unmerged }
                place.report(
                    ValueFault(
                        "\(expected), found '\(scalar.text.excerpt)'",
                        suggestion: nearestName(to: scalar.text, among: ["unmerged"])), &reading)
                return nil
            }
            guard let entries = place.entries(&reading) else { return nil }
            guard entries.count == 1 else {
                place.report(ValueFault(expected), &reading)
                return nil
            }
            let name = Form<String>.name.read(place.child(entries[0]), &reading)
            switch entries[0].key {
            case "merged": return name.map { .merged($0) }
            case "mixed": return name.map { .mixed($0) }
            default:
                place.reportUnknown(entries[0], known: ["merged", "mixed"], &reading)
                return nil
            }
        }
    }
}

extension Form where Value == PolicyTest.CountBounds {
    /// A number, or bounds.
    static var count: Form {
        let bounds = Form.section(.counts)
        return Form(schema: bounds.schema) { place, reading in
            guard case .scalar = place.node.content else { return bounds.read(place, &reading) }
            return Form<Int>.integer(0...Int64(1) << 40).read(place, &reading).map { value in
                let number = Located(value, at: place.node.position)
                return PolicyTest.CountBounds(atLeast: number, atMost: number)
            }
        }
    }
}

extension Section where Root == PolicyTest.CountBounds {
    static let counts = Section(
        .init(),
        [
            Field("atLeast", \.atLeast, .integer(0...1 << 40), "The least that is right."),
            Field("atMost", \.atMost, .integer(0...1 << 40), "The most that is right."),
        ],
        rule: { bounds, place, reading in
            place.checkBounds(bounds.atLeast?.value, bounds.atMost?.value, &reading)
        })
}

extension Section where Root == PolicyTest.DurationBounds {
    static let durations = Section(
        .init(),
        [
            Field("atLeast", \.atLeast, .testTime, "The least that is right."),
            Field("atMost", \.atMost, .testTime, "The most that is right."),
        ],
        rule: { bounds, place, reading in
            place.checkBounds(bounds.atLeast?.value, bounds.atMost?.value, &reading)
        })
}

extension Form where Value == Duration {
    /// A time on the clock of a test.
    static var testTime: Form { .duration(.zero ... .seconds(24 * 3600)) }
}

extension Place {
    fileprivate func checkBounds<Bound: Comparable>(
        _ least: Bound?, _ most: Bound?, _ reading: inout Reading
    ) {
        if least == nil, most == nil, case .mapping(let entries) = node.content, entries.isEmpty {
            reading.report("give it atMost or atLeast", at: position, path: path)
        }
        if let least, let most, most < least {
            reading.report("atMost is less than atLeast", at: position, path: path)
        }
    }
}
