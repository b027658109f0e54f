# shellcheck shell=bash disable=SC2154  # corpus is an option of the script that sources this
# conf IDEA: the settings to use, conf/IDEA.yaml or what stands before it: that of the corpus, and of the folder $conf.
conf() {
  if [ -n "${conf:-}" ] && [ -f "$conf/$1.yaml" ]; then
    echo "$conf/$1.yaml"
  elif [ -f "conf/$corpus/$1.yaml" ]; then echo "conf/$corpus/$1.yaml"; else echo "conf/$1.yaml"; fi
}
