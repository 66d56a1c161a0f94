#!/bin/sh
# Fills templates from the environment: /etc/nginx/templates/NAME.conf.template becomes
# /etc/nginx/conf.d/NAME.conf. Only variables that are there are filled in, so that nginx's own stay.
#
# NGINX_ENVSUBST_TEMPLATE_DIR     where templates are (/etc/nginx/templates)
# NGINX_ENVSUBST_TEMPLATE_SUFFIX  how their names end (.template)
# NGINX_ENVSUBST_OUTPUT_DIR       where the files are written (/etc/nginx/conf.d)
# NGINX_ENVSUBST_FILTER           a regular expression: variables with other names stay too

set -e

templates=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
suffix=${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-.template}
output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}

say() {
    [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || echo "$0: $*"
}

[ -d "$templates" ] || exit 0
if [ ! -w "$output" ]; then
    echo "$0: $output cannot be written to, templates are left out" >&2
    exit 0
fi

variables=$(awk 'BEGIN {
    for (name in ENVIRON)
        if (name ~ /^[A-Za-z_][A-Za-z0-9_]*$/ && name ~ ENVIRON["NGINX_ENVSUBST_FILTER"])
            printf "${%s} ", name
}')

find "$templates" -follow -type f -name "*$suffix" | sort | while IFS= read -r template; do
    name=${template#"$templates"/}
    file=$output/${name%"$suffix"}
    mkdir -p "${file%/*}"
    say "$template fills $file"
    envsubst "$variables" <"$template" >"$file"
done
