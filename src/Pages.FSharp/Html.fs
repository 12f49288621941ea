namespace Attribution.Pages

open System
open System.Globalization
open Giraffe.ViewEngine
open Attribution

/// What the page of a report is made of: numbers, tables, figures, and what is folded away. Texts are escaped.
[<RequireQualifiedAccess>]
module internal Html =
    // Numbers -----------------------------------------------------------------------------------------------------------

    let private invariant format (value: float) =
        value.ToString(format = format, provider = CultureInfo.InvariantCulture)

    /// With that many decimals, a minus that is as wide as a digit, and a sign behind it.
    let signed (digits: int) sign (value: float) =
        if Double.IsFinite value then
            (invariant $"F{digits}" value).Replace('-', '\u2212') + sign
        else
            "undefined"

    let fixedTo digits = signed digits ""

    let percent digits value = signed digits "%" (100. * value)

    /// As few decimals as a number needs, two at most.
    let plain = invariant "0.##"

    /// As many decimals as show three digits of the largest number.
    let decimals (values: float seq) =
        match values |> Seq.filter Double.IsFinite |> Seq.map abs |> Seq.fold max 0. with
        | 0. -> 1
        | largest -> 2 - int (floor (log10 largest)) |> max 0 |> min 8

    /// "1 image", "2 images".
    let count (n: int) thing = Words.Count(int64 n, thing)

    /// Words, or none.
    let where condition words = if condition then words else ""

    // Links -------------------------------------------------------------------------------------------------------------

    /// A link to what has an id, beside its title.
    let anchor (id: string) (title: string) =
        a [
            _class "anchor"
            _href $"#{id}"
            _title "Link to this place"
            attr "aria-label" $"Link to {title}"
        ] [ str "#" ]

    /// What stays closed until it is asked for: by a click, a search, a link to what is in it, or printing.
    let fold (summary: string) content =
        details [] [ tag "summary" [] [ str summary ]; div [ _class "folded" ] content ]

    // Tables ------------------------------------------------------------------------------------------------------------

    type Cell = { Content: XmlNode list; Sort: string option }

    let words content = { Content = content; Sort = None }

    let text (s: string) = words [ str s ]

    let private shownAs shown value = {
        Content = [ str shown ]
        Sort = Some(if Double.IsFinite value then invariant "R" value else "")
    }

    /// A number with that many decimals, and what follows it.
    let number digits sign value = shownAs (signed digits sign value) value

    /// A share as percent.
    let share digits value = shownAs (percent digits value) value

    let whole (n: int) = number 0 "" (float n)

    let private row (cells: Cell list) =
        tr [] [
            for i, c in List.indexed cells do
                (if i = 0 then th else td)
                    [
                        if i = 0 then
                            attr "scope" "row"
                        match c.Sort with
                        | Some value ->
                            _class "n"
                            attr "data-value" value
                        | None -> ()
                    ]
                    c.Content
        ]

    let private plainTable id (title: string) (headers: string list) (rows: Cell list list) foot =
        div [
            if id <> "" then
                _id id
            _class (if headers.Length < 7 then "scroll wide" else "scroll")
            attr "role" "region"
            attr "tabindex" "0"
            attr "aria-label" title
        ] [
            table [] [
                caption [] [
                    div [] [
                        str title
                        if id <> "" then
                            anchor id title
                    ]
                ]
                thead [] [
                    tr [] [
                        for header, first in List.zip headers rows.Head ->
                            th [
                                attr "scope" "col"
                                attr "aria-sort" "none"
                                if first.Sort.IsSome then
                                    _class "n"
                            ] [ button [ _type "button" ] [ str header ] ]
                    ]
                ]
                tbody [] (List.map row rows)
                if foot <> [] then
                    tfoot [] [ row foot ]
            ]
        ]

    [<Literal>]
    let private Long = 12

    [<Literal>]
    let private Ends = 5

    /// A table whose columns sort, with a foot; the first column names the row. Of a long one the first five rows are shown,
    /// and all of them where they are asked for.
    let tableWith foot id title (rows: 'row seq) (columns: (string * ('row -> Cell)) list) =
        let cells = [ for row in rows -> [ for _, cell in columns -> cell row ] ]

        let all id title rows = plainTable id title (List.map fst columns) rows foot

        if cells.IsEmpty then
            []
        elif cells.Length <= Long then
            [ all id title cells ]
        else
            [
                div [ _class "ends" ] [ all "" title (List.truncate Ends cells) ]
                fold $"All {cells.Length} rows" [ all id title cells ]
            ]

    let table id title rows columns = tableWith [] id title rows columns

    // Figures -----------------------------------------------------------------------------------------------------------

    /// A picture that is enlarged by a click.
    let picture (image: ReportPicture) =
        button [
            _type "button"
            _class "zoom"
            attr "data-caption" image.Description
            attr "aria-haspopup" "dialog"
        ] [
            img [
                _src $"data:image/png;base64,{Convert.ToBase64String image.Figure.Png}"
                _alt image.Description
                _width (string image.Figure.Width)
                _height (string image.Figure.Height)
            ]
        ]

    /// Pictures side by side, each with its label; None: a gap.
    let panels columns narrow (content: (string * ReportPicture) option list) =
        div [ _class "panels"; _style $"--columns:{columns};--narrow:{narrow}" ] [
            for panel in content ->
                div [ _class "panel" ] [
                    match panel with
                    | Some(label, image) ->
                        picture image
                        str label
                    | None -> ()
                ]
        ]

    /// A row of pictures beside what they are of.
    let row' id title (caption: XmlNode list) content =
        figure [ _id id; _class "row crisp" ] [
            figcaption [] [ strong [] [ str title; anchor id title ]; yield! caption ]
            content
        ]

    /// A chart, and what it shows.
    let chart id (image: ReportPicture) =
        figure [ _id id; _class "drawn" ] [
            div [ _class "scroll" ] [ picture image ]
            figcaption [] [ str image.Description; anchor id image.Description ]
        ]

    /// A section of the page, by its id and its title for the contents.
    type Section = { Id: string; Title: string; Node: XmlNode }

    let section (id: string) (title: string) (exercise: string) content = {
        Id = id
        Title = title
        Node =
            section [ _id id; attr "aria-labelledby" $"{id}-title" ] [
                h2 [ _id $"{id}-title" ] [
                    str title
                    anchor id title
                    if exercise <> "" then
                        span [ _class "exercise" ] [ str exercise ]
                ]
                yield! content
            ]
    }

    /// A heading of what has an id.
    let heading id title = h3 [] [ str title; anchor id title ]

    let paragraph (s: string) = p [] [ str s ]

    let warning (s: string) = p [ _class "dead" ] [ str s ]

    let list (sentences: string seq) = ul [] [ for s in sentences -> li [] [ str s ] ]

    let code (s: string) = HtmlElements.code [] [ str s ]
